// compiler/codegen/Libraries.h — kernel objects bundled into a static and a shared library. No LLVM type shows here.
#pragma once

#include "compiler/base/Result.h"

#include <string>
#include <vector>

namespace quern {

struct NamedObject {
  std::string name;  ///< of the archive member, such as "kernel.o"
  std::string bytes;
};

/// An ar archive with a symbol table; no times, no owners: the same objects give the same bytes.
Result<std::string> staticLibrary(const std::vector<NamedObject>& objects);

/// An ELF shared library of objects of one architecture, linked by lld in a temporary folder.
/// Errors   Internal: what lld said. Machine: the temporary folder.
Result<std::string> sharedLibrary(const std::vector<NamedObject>& objects, const std::string& soname);

}  // namespace quern
