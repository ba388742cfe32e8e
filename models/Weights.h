// models/Weights.h — a model's named weights, wherever they lie: what architectures ask for by name and shape.
#pragma once

#include "compiler/op/ElementType.h"
#include "models/files/WeightFiles.h"

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

namespace quern {

/// A weight that is made of tensors which lie otherwise.
struct MadeRows {
  /// Rows first .. first + count - 1, as they would be stored. Asked from several threads.
  std::function<void(int64_t first, int64_t count, std::byte* to)> put;
  std::vector<std::string> parts;  ///< what it is made of, as it is stored; not all need be there
};

/// One weight where it lies. `stored` is its name there, for messages.
struct Weight {
  std::string stored;
  TensorType type = TensorType::F32;
  std::vector<int64_t> shape;  ///< row-major
  const std::byte* data = nullptr;
  int64_t bytes = 0;
  const FileTensor* file = nullptr;  ///< null: in memory
  bool used = false;
  std::shared_ptr<const MadeRows> made;  ///< in place of data; null: none
};

/// The type in files that a kernels' type is.
TensorType fileTypeOf(ElementType type);
/// The other way; nothing for a type that no kernel reads.
std::optional<ElementType> elementTypeOf(TensorType type);

/// "model.layers.*.mlp.up_proj.weight" -> "blk.*.ffn_up.weight": how one format names what our architectures ask for.
struct WeightName {
  std::string_view stored, name;
};

/// Names are GGUF's: token_embd.weight, blk.3.attn_q.weight, output_norm.weight ...
class Weights {
public:
  /// Views of the files, which must live as long. `names` translates (empty: names are ours already); `*` is a layer's number.
  /// Tensors that `names` does not have keep their own name.
  static Weights ofFiles(const WeightFiles& files, std::span<const WeightName> names, std::span<const std::string_view> ignored);
  explicit Weights(std::string label) : label_(std::move(label)) {}
  /// f32 in memory, which the caller keeps.
  void add(const std::string& name, std::vector<int64_t> shape, const std::vector<float>& values);

  /// One in place of its parts; `stored`: its name as files would have it.
  void replace(const std::string& stored, TensorType type, std::vector<int64_t> shape, MadeRows made);

  bool has(const std::string& name) const { return weights_.find(name) != weights_.end(); }
  /// Marks it used. Errors: BadInput naming file and tensor: missing, or another shape than needed.
  Result<const Weight*> take(const std::string& name, std::span<const int64_t> shape);
  void ignore(const std::string& name) { weights_.erase(name); }
  /// A weight is from here on several: so many of its rows each, in their order; a single one of a stack is without the stack's extent.
  /// Errors   BadInput naming file and tensor: it has another number of rows than all of them.
  Result<void> split(const std::string& name, std::span<const std::pair<std::string, int64_t>> parts);
  /// Errors   BadInput naming weights that nobody took: the model would not be what its files say.
  Result<void> checkAllUsed() const;

  /// A checksum of all names, types and shapes and of the first, middle and last bytes of each weight: models that differ throughout have
  /// different ones, and none is read whole.
  uint64_t sampleSum() const;

  /// Of all weights together.
  int64_t elements() const;

  /// What the file is called, for messages.
  const std::string& label() const { return label_; }
  /// The source pages of a weight that was copied.
  void drop(const Weight& weight) const;

private:
  std::string storedName(const std::string& name) const;
  std::string ownName(const std::string& stored) const;

  std::string label_;
  const WeightFiles* files_ = nullptr;
  std::vector<WeightName> names_;
  std::map<std::string, Weight> weights_;
};

}  // namespace quern
