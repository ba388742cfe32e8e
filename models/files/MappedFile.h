// models/files/MappedFile.h — a regular file's bytes, read-only and mapped: where every model file enters.
#pragma once

#include "compiler/base/Result.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace quern {

/// Ownership  unmaps at destruction; data() keeps its address when the MappedFile is moved.
/// Threads    reading from many is fine. A file that somebody cuts short while it is mapped ends the program (SIGBUS).
class MappedFile {
public:
  /// Errors   BadInput: missing, no permission, a directory, empty, not a regular file (pipes and devices are not waited for).
  static Result<MappedFile> open(const std::string& path);

  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();

  const std::string& path() const { return path_; }
  const std::byte* data() const { return data_; }
  int64_t bytes() const { return bytes_; }
  std::string_view text() const { return {reinterpret_cast<const char*>(data_), static_cast<size_t>(bytes_)}; }

  /// Gives back the memory of the whole pages within [offset, offset + bytes): for parts that were copied elsewhere.
  /// They can still be read, from the file again.
  void drop(int64_t offset, int64_t bytes) const;

private:
  MappedFile(std::string path, const std::byte* data, int64_t bytes) : path_(std::move(path)), data_(data), bytes_(bytes) {}

  std::string path_;
  const std::byte* data_ = nullptr;
  int64_t bytes_ = 0;
};

}  // namespace quern
