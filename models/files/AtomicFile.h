// models/files/AtomicFile.h — a file written piece by piece that is either there whole or not at all.
#pragma once

#include "compiler/base/Descriptor.h"
#include "compiler/base/Result.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>

namespace quern {

/// Writes to a temporary name in the same folder; commit() gives it its name. Without commit nothing is left behind.
class AtomicFile {
public:
  /// Links are followed. Errors: Machine where the folder is not there or not writable.
  static Result<AtomicFile> create(const std::string& path);

  AtomicFile(AtomicFile&& other) noexcept;
  AtomicFile& operator=(AtomicFile&&) = delete;
  ~AtomicFile();

  Result<void> write(std::span<const std::byte> bytes);
  Result<void> write(std::string_view bytes) { return write(std::as_bytes(std::span(bytes))); }
  /// Zeros.
  Result<void> pad(int64_t bytes);
  /// Syncs, renames, syncs the folder.
  Result<void> commit();

private:
  AtomicFile(std::string path, std::string temporary, Descriptor staged)
      : path_(std::move(path)), temporary_(std::move(temporary)), staged_(std::move(staged)) {}
  Error failed() const;

  std::string path_, temporary_;
  Descriptor staged_;
};

/// Takes the next piece of a tensor's bytes.
using ByteSink = std::function<Result<void>(std::span<const std::byte>)>;
/// Hands a tensor's bytes to the sink, from first to last, in pieces of any size.
using ByteSource = std::function<Result<void>(const ByteSink&)>;

/// A source of bytes that stay where they are until they are written.
ByteSource sourceOf(std::span<const std::byte> bytes);

/// Writes all that `source` gives. Errors: of either side; BadInput where it gives more or fewer than `bytes`.
Result<void> writeAll(AtomicFile& file, const std::string& tensor, int64_t bytes, const ByteSource& source);

}  // namespace quern
