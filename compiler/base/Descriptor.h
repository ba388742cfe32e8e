// compiler/base/Descriptor.h — an open file descriptor that is closed when it goes.
#pragma once

#include <unistd.h>
#include <utility>

namespace quern {

class Descriptor {
public:
  Descriptor() = default;
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }

  explicit operator bool() const { return fd_ >= 0; }
  int get() const { return fd_; }
  /// The caller closes it, and sees whether that worked.
  int release() { return std::exchange(fd_, -1); }

private:
  int fd_ = -1;
};

}  // namespace quern
