// compiler/base/OwnPath.cpp — see OwnPath.h.
#include "compiler/base/OwnPath.h"

#include <climits>
#include <cstdlib>
#include <dlfcn.h>
#include <link.h>
#include <sys/auxv.h>

namespace quern {

/// The shared library that holds this code; "": it is the program itself.
static std::string ownLibrary() {
  Dl_info info{};
  link_map* loaded = nullptr;
  if (::dladdr1(reinterpret_cast<const void*>(&ownFile), &info, reinterpret_cast<void**>(&loaded), RTLD_DL_LINKMAP) == 0) return "";
  return loaded == nullptr || loaded->l_name == nullptr ? "" : loaded->l_name;
}

std::string ownFile() {
  char path[PATH_MAX];
  std::string library = ownLibrary();
  if (!library.empty()) return ::realpath(library.c_str(), path) == nullptr ? "" : path;
  const auto* started = reinterpret_cast<const char*>(::getauxval(AT_EXECFN));
  if (::realpath("/proc/self/exe", path) == nullptr && (started == nullptr || ::realpath(started, path) == nullptr)) return "";
  return path;
}

std::string ownFolder() {
  std::string folder = ownFile();
  if (folder.empty()) return "";
  folder.resize(folder.rfind('/'));
  return folder.empty() ? "/" : folder;
}

std::vector<std::string> moduleFolders() {
  std::string folder = ownFolder();
  return {folder, folder + "/quern", folder + "/../" QUERN_MODULES, folder + "/../../" QUERN_MODULES};
}

std::vector<std::string> shareFolders() {
  std::string folder = ownFolder();
  return {folder + "/../share/quern", folder + "/../../share/quern", QUERN_SHARE_CONFIGS};
}

}  // namespace quern
