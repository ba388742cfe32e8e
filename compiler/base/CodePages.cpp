// compiler/base/CodePages.cpp — see CodePages.h.
#include "compiler/base/CodePages.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <string>
#include <sys/mman.h>
#include <unistd.h>

namespace quern {

Result<CodePages> CodePages::make(size_t bytes) {
  bytes = std::max<size_t>(bytes, 1);
  void* pages = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pages == MAP_FAILED) return machineLacks(fmt::format("cannot map {} bytes for a kernel: {}", bytes, std::strerror(errno)));
  return CodePages(std::shared_ptr<void>(pages, [bytes](void* dead) { ::munmap(dead, bytes); }), bytes);
}

/// A file without a name: in memory, or where that is not to be had in a folder for temporary or shared files. -1: none.
static int namelessFile(const void* content, size_t bytes) {
  auto filled = [&](int fd) {
    size_t done = 0;
    while (fd >= 0 && done < bytes) {
      ssize_t now = ::pwrite(fd, static_cast<const char*>(content) + done, bytes - done, static_cast<off_t>(done));
      if (now < 0 && errno == EINTR) continue;
      if (now <= 0) break;
      done += static_cast<size_t>(now);
    }
    return fd >= 0 && done == bytes;
  };
  constexpr unsigned kExecutable = 0x10;  // MFD_EXEC: Linux 6.3 and later wants it said, earlier ones refuse the flag
  for (unsigned flag : {kExecutable, 0u}) {
    int fd = ::memfd_create("quern-kernel", MFD_CLOEXEC | MFD_ALLOW_SEALING | flag);
    if (filled(fd)) {
      ::fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
      return fd;
    }
    if (fd >= 0) ::close(fd);
  }
  const char* temporary = std::getenv("TMPDIR");
  for (const char* folder : {temporary != nullptr ? temporary : "/tmp", "/dev/shm"}) {
    int fd = ::open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (filled(fd)) return fd;
    if (fd >= 0) ::close(fd);
  }
  return -1;
}

Result<void> CodePages::seal() {
  __builtin___clear_cache(reinterpret_cast<char*>(data()), reinterpret_cast<char*>(data()) + bytes_);
  if (::mprotect(data(), bytes_, PROT_READ | PROT_EXEC) == 0) return {};
  std::string refused = std::strerror(errno);
  int fd = namelessFile(data(), bytes_);
  int why = errno;
  if (fd >= 0) {
    bool mapped = ::mmap(data(), bytes_, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_FIXED, fd, 0) != MAP_FAILED;
    why = errno;
    ::close(fd);
    if (mapped) return {};
  }
  return machineLacks(
      fmt::format("this process may not make code executable (SELinux, seccomp or MemoryDenyWriteExecute): memory it wrote: {}; {}: {}",
                  refused, fd >= 0 ? "a file in memory" : "no file in memory", std::strerror(why)));
}

}  // namespace quern
