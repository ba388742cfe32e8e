// tests/store/FaultyCalls.cpp — loaded before a program (LD_PRELOAD): its Nth call about files below one folder fails.
// QUERN_FAULT_UNDER=/folder QUERN_FAULT_AT=N QUERN_FAULT_AS=errno|short|digest|swap; QUERN_FAULT_COUNT=FILE gets the number of calls.
// swap: right before that call QUERN_SWAP_A and QUERN_SWAP_B change places, as if another process had done it.
#include <atomic>
#include <cerrno>
#include <climits>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <fcntl.h>
#include <string>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace {

std::atomic<long> calls{0};

std::string setting(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

template <class F>
F* real(const char* name) {
  return reinterpret_cast<F*>(::dlsym(RTLD_NEXT, name));
}

std::string pathOf(int fd) {
  char target[PATH_MAX];
  std::string link = "/proc/self/fd/" + std::to_string(fd);
  ssize_t length = ::readlink(link.c_str(), target, sizeof target);
  return length > 0 ? std::string(target, static_cast<size_t>(length)) : "";
}

std::string pathAt(int folder, const char* name) {
  if (name[0] == '/') return name;
  return (folder == AT_FDCWD ? "" : pathOf(folder) + "/") + name;
}

thread_local bool halved = false;

/// Whether this call is the one that fails. Sets errno.
bool fails(const std::string& path) {
  static const std::string under = setting("QUERN_FAULT_UNDER"), as = setting("QUERN_FAULT_AS");
  static const long at = std::atol(setting("QUERN_FAULT_AT").c_str());
  halved = false;
  if (as == "digest" || under.empty() || path.compare(0, under.size(), under) != 0) return false;
  if (++calls != at) return false;
  if (as == "swap") {
    ::syscall(SYS_renameat2, AT_FDCWD, setting("QUERN_SWAP_A").c_str(), AT_FDCWD, setting("QUERN_SWAP_B").c_str(), RENAME_EXCHANGE);
    return false;
  }
  halved = as == "short";
  if (!halved) errno = std::atoi(as.c_str());
  return !halved;
}
/// Whether this call, for which fails() was just asked, is to do half of what it was asked.
bool isShort() { return halved; }

struct Report {
  ~Report() {
    std::string file = setting("QUERN_FAULT_COUNT");
    if (file.empty()) return;
    if (FILE* out = std::fopen(file.c_str(), "w"); out != nullptr) {
      std::fprintf(out, "%ld\n", calls.load());
      std::fclose(out);
    }
  }
} report;

}  // namespace

#pragma GCC diagnostic ignored "-Wshadow"  // flock is a struct too
extern "C" {

int openat(int folder, const char* name, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  mode_t mode = (flags & O_CREAT) != 0 ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  if (fails(pathAt(folder, name))) return -1;
  return real<int(int, const char*, int, ...)>("openat")(folder, name, flags, mode);
}
int open(const char* name, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  mode_t mode = (flags & O_CREAT) != 0 ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  if (fails(name)) return -1;
  return real<int(const char*, int, ...)>("open")(name, flags, mode);
}
ssize_t read(int fd, void* into, size_t bytes) {
  if (fails(pathOf(fd))) return -1;
  return real<ssize_t(int, void*, size_t)>("read")(fd, into, isShort() ? bytes / 2 : bytes);
}
ssize_t pread(int fd, void* into, size_t bytes, off_t at) {
  if (fails(pathOf(fd))) return -1;
  return real<ssize_t(int, void*, size_t, off_t)>("pread")(fd, into, isShort() ? bytes / 2 : bytes, at);
}
ssize_t write(int fd, const void* from, size_t bytes) {
  if (fails(pathOf(fd))) return -1;
  return real<ssize_t(int, const void*, size_t)>("write")(fd, from, isShort() ? bytes / 2 : bytes);
}
int fsync(int fd) { return fails(pathOf(fd)) ? -1 : real<int(int)>("fsync")(fd); }
int fchmod(int fd, mode_t mode) noexcept { return fails(pathOf(fd)) ? -1 : real<int(int, mode_t)>("fchmod")(fd, mode); }
int flock(int fd, int how) noexcept { return fails(pathOf(fd)) ? -1 : real<int(int, int)>("flock")(fd, how); }
int ftruncate(int fd, off_t size) noexcept { return fails(pathOf(fd)) ? -1 : real<int(int, off_t)>("ftruncate")(fd, size); }
int fstat(int fd, struct stat* into) noexcept { return fails(pathOf(fd)) ? -1 : real<int(int, struct stat*)>("fstat")(fd, into); }
int stat(const char* name, struct stat* into) noexcept {
  return fails(name) ? -1 : real<int(const char*, struct stat*)>("stat")(name, into);
}
int fstatat(int folder, const char* name, struct stat* into, int flags) noexcept {
  return fails(pathAt(folder, name)) ? -1 : real<int(int, const char*, struct stat*, int)>("fstatat")(folder, name, into, flags);
}
int mkdir(const char* name, mode_t mode) noexcept { return fails(name) ? -1 : real<int(const char*, mode_t)>("mkdir")(name, mode); }
int mkdirat(int folder, const char* name, mode_t mode) noexcept {
  return fails(pathAt(folder, name)) ? -1 : real<int(int, const char*, mode_t)>("mkdirat")(folder, name, mode);
}
int renameat(int from, const char* before, int to, const char* after) noexcept {
  return fails(pathAt(from, before)) ? -1 : real<int(int, const char*, int, const char*)>("renameat")(from, before, to, after);
}
int unlinkat(int folder, const char* name, int flags) noexcept {
  return fails(pathAt(folder, name)) ? -1 : real<int(int, const char*, int)>("unlinkat")(folder, name, flags);
}

/// A libcrypto that fails, from the Nth hash on.
int SHA256_Init(void* state) {
  if (setting("QUERN_FAULT_AS") == "digest" && ++calls >= std::atol(setting("QUERN_FAULT_AT").c_str())) return 0;
  return real<int(void*)>("SHA256_Init")(state);
}
}
