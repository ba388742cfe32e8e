// models/files/MappedFile.h — a regular file's bytes, read-only and mapped: where every model file enters.
#pragma once

#include "compiler/base/Result.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

struct stat;

namespace quern {

struct MappedRange;

/// Ownership  unmaps at destruction; data() keeps its address when the MappedFile is moved.
/// Threads    reading from many is fine. Reading pages that somebody has cut off the file raises SIGBUS: mappedFileAt() tells a handler
///            which file it was. What is cut within a page, or written over, checkUnchanged() finds.
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

  /// Errors   BadInput: the file has another size or time than when it was opened. One that took its name is another file's matter.
  Result<void> checkUnchanged() const;

  /// Gives back the memory of the whole pages within [offset, offset + bytes): for parts that were copied elsewhere.
  /// They can still be read, from the file again.
  void drop(int64_t offset, int64_t bytes) const;

private:
  MappedFile(std::string path, const std::byte* data, const struct stat& info);

  std::string path_;
  const std::byte* data_ = nullptr;
  int64_t bytes_ = 0;
  uint64_t device_ = 0, inode_ = 0;
  int64_t changedNs_ = 0;
  MappedRange* range_ = nullptr;
};

/// The escaped path of the file that is mapped at `address`; null where none is.
/// Threads  any, and inside a signal handler.
const char* mappedFileAt(const void* address);

}  // namespace quern
