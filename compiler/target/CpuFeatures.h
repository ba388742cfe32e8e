// compiler/target/CpuFeatures.h — what the processor says of itself, and what it really does.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace quern {

std::string_view hostArch();
/// Feature names (LLVM's spelling) that the CPU reports and the operating system has enabled. AMX only where this process got the
/// permission, which is asked for here, and a child process could use a tile.
std::vector<std::string> reportedFeatures();
std::string cpuModelName();

}  // namespace quern
