// compiler/base/Module.h — code that this program loads while it runs: no easier to change by others than the program itself.
#pragma once

#include "compiler/base/Result.h"

#include <string>

namespace quern {

/// dlopen, after the file and the folder it lies in were found to be no less trusted than the program's own file and folder: of the same
/// owner, this user or root, and not writable by anybody who cannot write the program as well (a build tree is often group-writable).
/// Errors   Machine: not trusted, or what the system says.
Result<void*> loadModule(const std::string& path);

}  // namespace quern
