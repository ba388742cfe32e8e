// compiler/base/ProgramPath.h — where the running program lies: modules and data are looked for beside it.
#pragma once

#include <string>

namespace quern {

/// The folder of the program's file, links followed; "" where the system does not say. /proc is asked first, then what the kernel noted
/// when the program was started, since a sandbox may have no /proc.
std::string programFolder();

}  // namespace quern
