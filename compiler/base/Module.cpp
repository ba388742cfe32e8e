// compiler/base/Module.cpp — see Module.h.
#include "compiler/base/Module.h"

#include "compiler/base/OwnPath.h"
#include "compiler/base/Text.h"

#include <cerrno>
#include <cstring>
#include <dlfcn.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

namespace quern {

/// Whom this code trusts: its own file and folder, as far as they can be seen. Where they cannot the bits are taken to be none.
struct OwnTrust {
  uid_t owner = 0;
  mode_t file = 0, folder = 0;  ///< write bits

  OwnTrust() {
    constexpr mode_t kOthers = S_IWGRP | S_IWOTH;
    struct stat info{};
    if (::stat(ownFolder().c_str(), &info) == 0) owner = info.st_uid, folder = info.st_mode & kOthers;
    if (::stat(ownFile().c_str(), &info) == 0) owner = info.st_uid, file = info.st_mode & kOthers;
  }
  std::string distrust(const struct stat& info, mode_t allowed) const {
    if (info.st_uid != owner && info.st_uid != 0 && info.st_uid != ::geteuid()) return fmt::format("belongs to user {}", info.st_uid);
    if ((info.st_mode & (S_IWGRP | S_IWOTH) & ~allowed) != 0)
      return fmt::format("others can write to it (mode {:04o}); chmod go-w would mend that", info.st_mode & 07777);
    return "";
  }
};

Result<void*> loadModule(const std::string& path) {
  OwnTrust own;
  struct stat info{};
  std::string folder = path.substr(0, path.rfind('/') + 1);
  auto refuse = [](const std::string& what, const std::string& why) { return machineLacks(fmt::format("{}: {}", escaped(what), why)); };
  if (::stat(folder.c_str(), &info) != 0) return refuse(folder, std::strerror(errno));
  if (std::string why = own.distrust(info, own.folder); !why.empty()) return refuse(folder, why);
  if (::stat(path.c_str(), &info) != 0) return refuse(path, std::strerror(errno));
  if (!S_ISREG(info.st_mode)) return refuse(path, "is no regular file");
  if (std::string why = own.distrust(info, own.file); !why.empty()) return refuse(path, why);
  void* module = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (module == nullptr) return machineLacks(escaped(::dlerror()));
  return module;
}

}  // namespace quern
