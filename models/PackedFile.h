// models/PackedFile.h — a model's packed weights in a file that is mapped as it is: nothing is packed at start.
#pragma once

#include "models/files/FileTensor.h"
#include "models/files/MappedFile.h"

#include <memory>
#include <string>
#include <vector>

namespace quern {

/// One packed weight. `key`: its op and layout, which say what lies there.
struct PackedWeight {
  std::string key;
  const std::byte* data = nullptr;
  int64_t bytes = 0;
};

/// Layout   "quern-weights 1\n"; "tensors N\n" and N lines "TYPE DIMxDIM NAME\n": what was packed, as its files had it; "weights N\n" and N
///          lines "OFFSET BYTES SUM KEY\n" in the order of the graph; "end\n"; zeros to a multiple of 4096; the weights, each from a
///          multiple of 4096 on. SUM: lineSum in 16 hexadecimal digits.
class PackedFile {
public:
  /// Maps it. Errors: BadInput naming file and field: another form, weights that do not lie in the file.
  static Result<PackedFile> open(const std::string& path);

  const std::string& path() const { return file_->path(); }
  /// sumText of its head, as a bundle names it.
  const std::string& headSum() const { return headSum_; }
  /// What the model's own files lack; without data.
  const std::vector<FileTensor>& tensors() const { return tensors_; }
  const std::vector<PackedWeight>& weights() const { return weights_; }
  /// Reads weight i. Errors: BadInput: its sum differs.
  Result<void> check(size_t i) const;

private:
  std::shared_ptr<const MappedFile> file_;
  std::vector<FileTensor> tensors_;
  std::vector<PackedWeight> weights_;
  std::vector<uint64_t> sums_;
  std::string headSum_;
};

/// Writes one: its head (all up to "end\n"), which says all of its content, and the weights behind it.
/// Errors   BadInput: a tensor whose name has a line break; Machine: what the file system refused.
Result<std::string> packedHead(const std::vector<FileTensor>& tensors, const std::vector<PackedWeight>& weights);
Result<void> writePackedFile(const std::string& path, const std::string& head, const std::vector<PackedWeight>& weights);

}  // namespace quern
