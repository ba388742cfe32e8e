// compiler/store/KeyClaim.cpp — see KeyClaim.h.
#include "compiler/store/KeyClaim.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <sys/file.h>
#include <thread>

namespace quern {

static constexpr std::string_view kEnding = ".lock";

std::string KeyClaim::fileOf(const std::string& hash) { return hash + std::string(kEnding); }

bool KeyClaim::isClaim(std::string_view name) { return name.ends_with(kEnding); }

bool KeyClaim::tryOnce() {
  constexpr int kFlags = O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
  Descriptor file(::openat(folder_.descriptor().get(), name_.c_str(), kFlags, 0600));
  if (!file) return true;  // no claims here
  if (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) return errno != EWOULDBLOCK;
  struct stat mine{}, named{};
  bool known = ::fstat(file.get(), &mine) == 0 && ::fstatat(folder_.descriptor().get(), name_.c_str(), &named, AT_SYMLINK_NOFOLLOW) == 0;
  if (!known || mine.st_ino != named.st_ino)
    return false;  // removed by the owner before us: the lock of a file without a name says nothing
  lock_ = std::move(file);
  return true;
}

KeyClaim KeyClaim::take(TrustedFolder folder, const std::string& hash, std::chrono::milliseconds patience, const Stop& stop) {
  KeyClaim claim(std::move(folder), fileOf(hash));
  auto until = std::chrono::steady_clock::now() + patience;
  std::chrono::milliseconds pause(1);
  constexpr std::chrono::milliseconds kLongest(20);
  while (!claim.tryOnce() && std::chrono::steady_clock::now() < until && !stop.asked()) {
    std::this_thread::sleep_for(pause);
    pause = std::min(2 * pause, kLongest);
  }
  return claim;
}

KeyClaim::~KeyClaim() {
  if (lock_) ::unlinkat(folder_.descriptor().get(), name_.c_str(), 0);
}

}  // namespace quern
