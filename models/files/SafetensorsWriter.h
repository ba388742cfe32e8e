// models/files/SafetensorsWriter.h — writes a safetensors file whose tensors' bytes are asked for when they are due.
#pragma once

#include "models/files/AtomicFile.h"
#include "models/files/FileTensor.h"

#include <string>
#include <utility>
#include <vector>

namespace quern {

/// Tensors' data come in the order in which they are added, without holes; the header is padded with blanks to 8 bytes.
class SafetensorsWriter {
public:
  /// A note for __metadata__.
  void note(std::string key, std::string value) { notes_.emplace_back(std::move(key), std::move(value)); }
  /// `shape` row-major, outermost first. The source runs during write().
  void tensor(std::string name, TensorType type, std::vector<int64_t> shape, ByteSource source);

  /// Errors   BadInput: a type that safetensors has not, a name twice, a source that gives more or fewer bytes than its
  ///          shape needs; Machine: what the file system refused. Nothing is left behind then.
  Result<void> write(const std::string& path) const;

private:
  struct Waiting {
    FileTensor tensor;
    ByteSource source;
  };
  std::vector<std::pair<std::string, std::string>> notes_;
  std::vector<Waiting> tensors_;
};

}  // namespace quern
