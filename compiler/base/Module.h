// compiler/base/Module.h — code that is loaded while the program runs: no easier to change by others than the code that loads it.
#pragma once

#include "compiler/base/Result.h"

#include <string>

namespace quern {

/// dlopen, after the file and the folder it lies in were found to be no less trusted than this code's own (OwnPath.h): of the same
/// owner, this user or root, and not writable by anybody who cannot write that as well (a build tree is often group-writable).
/// Errors   Machine: not trusted, or what the system says.
Result<void*> loadModule(const std::string& path);

}  // namespace quern
