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
  /// Rows first .. first + count - 1 of its last extent, as they would be stored. Asked from several threads.
  std::function<void(int64_t first, int64_t count, std::byte* to)> put;
  std::vector<std::string> parts;  ///< what it is made of, as it is stored; not all need be there
  std::vector<int64_t> shape{};    ///< of the whole of which this may be a part
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

/// What an adapter adds to a weight [out,in] that is multiplied by x: scale up (down x). Of a stack of weights both may be stacks too.
struct LowRank {
  std::string file;  ///< for messages
  Weight down;       ///< [r,in]
  Weight up;         ///< [out,r]
  float scale = 1;
  int64_t heads = 0;  ///< rows of `up` are so many heads with their halves apart, where the weight has pairs side by side; 0: as the weight
};

/// The type in files that a kernels' type is.
TensorType fileTypeOf(ElementType type);
/// The other way; nothing for a type that no kernel reads.
std::optional<ElementType> elementTypeOf(TensorType type);

/// "model.layers.*.mlp.up_proj.weight" -> "blk.*.ffn_up.weight": how one format names what our architectures ask for.
struct WeightName {
  std::string_view stored, name;
};

/// What our architectures call a tensor of a file; its own name where `names` does not have it.
std::string ownNameOf(std::span<const WeightName> names, const std::string& stored);

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

  /// In place of what is called so, or new.
  void put(const std::string& name, Weight weight) { weights_[name] = std::move(weight); }
  /// One that is used: it is made for whoever calls.
  const Weight* make(const std::string& name, TensorType type, std::vector<int64_t> shape, MadeRows made);
  /// More on top of a weight, which need not be there yet.
  void addLowRank(const std::string& name, LowRank more) { lowRanks_[name].push_back(std::move(more)); }
  /// What adapters add to a weight, in their order; marks it used.
  std::vector<LowRank> takeLowRanks(const std::string& name);

  bool has(const std::string& name) const { return weights_.find(name) != weights_.end(); }
  bool adapted() const { return !lowRanks_.empty(); }
  /// Marks it used. Errors: BadInput naming file and tensor: missing, or another shape than needed.
  Result<const Weight*> take(const std::string& name, std::span<const int64_t> shape);
  void ignore(const std::string& name) { weights_.erase(name); }
  /// What it is of; null: none of that name.
  const Weight* find(const std::string& name) const;
  /// A weight is from here on several: so many of its rows each, in their order; a single one of a stack is without the stack's extent.
  /// Errors   BadInput naming file and tensor: it has another number of rows than all of them, or blocks that lie across some.
  Result<void> split(const std::string& name, std::span<const std::pair<std::string, int64_t>> parts);
  /// Errors   BadInput naming weights that nobody took, of the model or of adapters: it would not be what its files say.
  Result<void> checkAllUsed() const;

  /// A checksum of all names, types and shapes and of the first, middle and last bytes of each weight, or of each tensor that it is made
  /// of: models that differ throughout have different ones, and none is read whole.
  uint64_t sampleSum() const;

  /// Of all weights together.
  int64_t elements() const;

  /// What the file is called, for messages.
  const std::string& label() const { return label_; }
  /// The source pages of a weight that was copied.
  void drop(const Weight& weight) const;

private:
  std::string storedName(const std::string& name) const;
  Error unused(const std::string& file, std::vector<std::string> tensors) const;
  void splitLowRanks(const std::string& name, std::span<const std::pair<std::string, int64_t>> parts);

  std::string label_;
  const WeightFiles* files_ = nullptr;
  std::vector<WeightName> names_;
  std::map<std::string, Weight> weights_;
  std::map<std::string, std::vector<LowRank>> lowRanks_;  ///< by the weight's name
};

}  // namespace quern
