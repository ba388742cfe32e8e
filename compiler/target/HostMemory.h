// compiler/target/HostMemory.h — how much memory this process may have: the machine's, or less where a control group says so.
#pragma once

#include <cstdint>
#include <string>

namespace quern {

struct HostMemory {
  int64_t mostBytes = 0;  ///< in all, what runs beside it included
  int64_t freeBytes = 0;  ///< still to be had without driving anything out
};

/// Of the machine and of every control group that this process is in (versions 1 and 2), the least. `root`: what stands before /proc
/// and /sys, for tests.
HostMemory hostMemory(const std::string& root = "");

}  // namespace quern
