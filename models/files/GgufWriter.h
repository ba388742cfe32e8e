// models/files/GgufWriter.h — writes GGUF files: key/values, then tensors whose bytes are asked for when they are due.
#pragma once

#include "models/files/AtomicFile.h"
#include "models/files/FileTensor.h"

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace quern {

/// Version 3, little-endian. Keys and tensors come in the order in which they are added; tensors' data too, without holes.
class GgufWriter {
public:
  void u32(std::string_view key, uint32_t value);
  void i32(std::string_view key, int32_t value);
  void u64(std::string_view key, uint64_t value);
  void f32(std::string_view key, float value);
  void boolean(std::string_view key, bool value);
  void string(std::string_view key, std::string_view value);
  void strings(std::string_view key, std::span<const std::string> values);
  void floats(std::string_view key, std::span<const float> values);
  void integers(std::string_view key, std::span<const int32_t> values);
  /// A key and its value as another file has them (GgufFile::keys).
  void raw(std::string_view bytes);
  /// Adds general.alignment; a power of two, at least 8. Before any other: 32.
  void alignment(uint32_t bytes);

  /// `shape` row-major, outermost first, 1 to 4 dimensions. The source runs during write().
  void tensor(std::string name, TensorType type, std::vector<int64_t> shape, ByteSource source);

  /// Errors   BadInput: a tensor that GGUF cannot hold, or whose source gives more or fewer bytes than its shape needs;
  ///          Machine: what the file system refused. Nothing is left behind then.
  Result<void> write(const std::string& path) const;

private:
  struct Waiting {
    FileTensor tensor;
    ByteSource source;
  };
  void key(std::string_view name, uint32_t type);

  std::string keys_;  ///< as they will stand in the file
  uint64_t keyCount_ = 0;
  int64_t alignment_ = 32;
  std::vector<Waiting> tensors_;
};

}  // namespace quern
