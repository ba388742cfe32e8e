// models/Model.h — a model ready to run: weights packed once, one static plan for prompts and single tokens. What runs it: Session.h.
#pragma once

#include "models/ModelLoad.h"
#include "models/ModelSource.h"

#include <span>

namespace quern {

struct ModelOptions {
  int64_t context = 0;  ///< positions of the KV cache; 0: the model's own
  int64_t chunk = 512;  ///< rows at most in one pass; longer prompts go through in pieces
  int threads = 1;
  ElementType kvType = ElementType::F32;  ///< or F16, BF16, Q8_0 (heads of a multiple of 32)
  std::function<void(double done, double total)> progress;
  std::function<void(const std::string& line)> note;
  Stop stop = {};  ///< asked before each weight is packed
  /// Told every op once, before the provider is asked for the first: it may make their kernels side by side.
  std::function<void(const std::vector<OpDesc>& ops)> foreseen;
};

/// The kernels a model runs, with how often per forward of `rows` token rows at `past` positions, all rows' logits wanted.
/// Errors   BadInput: weights that are missing or of another shape.
Result<Workload> workloadOf(const ModelSource& source, int64_t rows, int64_t past = 0, ElementType kvType = ElementType::F32);

/// Would it load? Everything but the kernels: every weight there, of its shape and of a type that is read, and none left over.
/// Errors   BadInput as Model::load.
Result<void> checkModel(const ModelSource& source);

/// What running a model takes of memory.
struct ModelMemory {
  int64_t weights = 0;  ///< packed, once
  int64_t cache = 0;    ///< keys and values, of each session
  int64_t scratch = 0;  ///< rows on their way and what kernels need, of each session
};
/// Before anything of it is taken. Of `kernels` only what they say of themselves is used; of `options` context, chunk, threads and kvType.
/// Errors: as Model::load.
Result<ModelMemory> memoryOf(ModelSource source, const KernelProvider& kernels, const ModelOptions& options);

/// A model's packed weights, the tensors that they are of, and those of its files that the tensors were made of where they lie otherwise.
struct PackedModel {
  std::vector<PackedWeight> weights;
  std::vector<FileTensor> tensors;
  std::vector<std::string> parts;
  HugeMemory memory;  ///< what `weights` lie in
};
/// Packs for kernels that need not be there: of `kernels` only what they say of their packing is used. Of `options` kvType, threads,
/// progress and note. Errors: as Model::load.
Result<PackedModel> packModel(ModelSource source, const KernelProvider& kernels, const ModelOptions& options);

/// What forwards of a model cost.
class ForwardCost {
public:
  /// Errors   as workloadOf.
  static Result<ForwardCost> of(const ModelSource& source);
  /// Floating point operations of one forward.
  double flops(const ForwardSizes& sizes) const;
  /// A figure of every op, added up; all dimensions known.
  double sum(const ForwardSizes& sizes, const std::function<double(const OpDesc& bound)>& figure) const;

private:
  struct Step {
    OpDesc op;
    std::vector<PlanDim> dims;
  };
  std::vector<Step> steps_;
};

/// Weights and plan, which never change and which any number of sessions share.
/// Threads  any, at once.
class Model {
public:
  /// Of `options` threads are those that pack. Errors: BadInput: what the weights lack, a context beyond the model's; what the provider
  /// says of a kernel; Machine for memory.
  static Result<std::shared_ptr<const Model>> load(ModelSource source, const KernelProvider& kernels, const ModelOptions& options);

  const ModelConfig& config() const { return source_.config; }
  const ModelSource& source() const { return source_; }
  const std::shared_ptr<const Plan>& plan() const { return plan_; }
  int64_t context() const { return context_; }
  int64_t chunk() const { return chunk_; }     ///< rows at most in one run of the plan
  PlanGroups texts() const { return texts_; }  ///< of an encoder
  /// What forwards up to so many positions read of angles is there from here on. Makes no allocation.
  void reach(int64_t positions) const {
    for (const RopeAngles& each : weights_.angles) each.reach(positions);
  }
  ElementType kvType() const { return kvType_; }
  int64_t weightBytes() const { return weights_.memory.bytes(); }
  /// What one token must read of weights: each once.
  double decodeBytes() const { return static_cast<double>(weights_.bytesPerToken); }
  /// What a token behind so many positions reads of keys and values.
  double cacheBytes(int64_t positions) const { return static_cast<double>(plan_->persistentBytesRead(positions)); }

private:
  explicit Model(ModelSource source) : source_(std::move(source)) {}

  ModelSource source_;
  LoadedWeights weights_;
  std::shared_ptr<const Plan> plan_;
  int64_t context_ = 0, chunk_ = 0;
  PlanGroups texts_;
  ElementType kvType_ = ElementType::F32;
};

}  // namespace quern
