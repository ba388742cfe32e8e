// models/files/AtomicFile.cpp — see AtomicFile.h.
#include "models/files/AtomicFile.h"

#include "compiler/base/Files.h"
#include "compiler/base/Text.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace quern {

Error AtomicFile::failed() const { return machineLacks(fmt::format("{}: cannot write: {}", escapedShort(path_), std::strerror(errno))); }

Result<AtomicFile> AtomicFile::create(const std::string& given) {
  std::string path = given;
  if (char* resolved = ::realpath(given.c_str(), nullptr); resolved != nullptr) {  // a link's target is what is replaced
    path = resolved;
    std::free(resolved);
  }
  struct stat info{};
  if (::stat(path.c_str(), &info) == 0 && !S_ISREG(info.st_mode))
    return badInput(fmt::format("{}: is no regular file, which alone is replaced", escapedShort(path)));
  std::string temporary;
  Descriptor staged = createBeside(AT_FDCWD, path, 0666, temporary);
  bool there = static_cast<bool>(staged);
  AtomicFile file(path, there ? temporary : "", std::move(staged));
  if (!there) return file.failed();
  return file;
}

AtomicFile::AtomicFile(AtomicFile&& other) noexcept
    : path_(std::move(other.path_)), temporary_(std::exchange(other.temporary_, {})), staged_(std::move(other.staged_)) {}

AtomicFile::~AtomicFile() {
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

Result<void> AtomicFile::write(std::span<const std::byte> bytes) {
  if (!quern::writeAll(staged_.get(), {reinterpret_cast<const char*>(bytes.data()), bytes.size()})) return failed();
  return {};
}

Result<void> AtomicFile::pad(int64_t bytes) {
  static constexpr std::byte kZeros[4096] = {};
  for (int64_t left = bytes; left > 0; left -= 4096)
    if (auto good = write(std::span(kZeros).first(static_cast<size_t>(std::min<int64_t>(left, 4096)))); !good) return good;
  return {};
}

Result<void> AtomicFile::commit() {
  if (::fsync(staged_.get()) != 0) return failed();
  if (::close(staged_.release()) != 0) return failed();
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) return failed();
  temporary_.clear();
  syncDirectory(directoryOf(path_));
  return {};
}

ByteSource sourceOf(std::span<const std::byte> bytes) {
  return [bytes](const ByteSink& put) { return put(bytes); };
}

Result<void> writeAll(AtomicFile& file, const std::string& tensor, int64_t bytes, const ByteSource& source) {
  int64_t given = 0;
  auto bad = [&](const char* more) {
    return badInput(fmt::format("tensor '{}': {} than its {} bytes are given", escapedShort(tensor), more, bytes));
  };
  auto good = source([&](std::span<const std::byte> piece) -> Result<void> {
    given += static_cast<int64_t>(piece.size());
    if (given > bytes) return bad("more");
    return file.write(piece);
  });
  if (!good) return good;
  if (given < bytes) return bad("fewer");
  return {};
}

}  // namespace quern
