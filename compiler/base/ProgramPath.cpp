// compiler/base/ProgramPath.cpp — see ProgramPath.h.
#include "compiler/base/ProgramPath.h"

#include <climits>
#include <cstdlib>
#include <sys/auxv.h>

namespace quern {

std::string programFolder() {
  char path[PATH_MAX];
  const auto* started = reinterpret_cast<const char*>(::getauxval(AT_EXECFN));
  if (::realpath("/proc/self/exe", path) == nullptr && (started == nullptr || ::realpath(started, path) == nullptr)) return "";
  std::string folder = path;
  folder.resize(folder.rfind('/'));
  return folder.empty() ? "/" : folder;
}

}  // namespace quern
