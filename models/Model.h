// models/Model.h — a model ready to run: weights packed once, one static plan for prompts and single tokens.
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
  /// Told every op once, before the provider is asked for the first: it may make their kernels side by side.
  std::function<void(const std::vector<OpDesc>& ops)> foreseen;
};

/// The kernels a model runs, with how often per forward of `rows` token rows at `past` positions, all rows' logits wanted.
/// Errors   BadInput: weights that are missing or of another shape.
Result<Workload> workloadOf(const ModelSource& source, int64_t rows, int64_t past = 0, ElementType kvType = ElementType::F32);

/// Would it load? Everything but the kernels: every weight there, of its shape and of a type that is read, and none left over.
/// Errors   BadInput as Model::load.
Result<void> checkModel(const ModelSource& source);

/// A model's packed weights, and the tensors of its files that they were made of.
struct PackedModel {
  std::vector<PackedWeight> weights;
  std::vector<FileTensor> tensors;
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
  double flops(const PlanSizes& sizes) const;
  /// A figure of every op, added up; all dimensions known.
  double sum(const PlanSizes& sizes, const std::function<double(const OpDesc& bound)>& figure) const;

private:
  struct Step {
    OpDesc op;
    std::vector<PlanDim> dims;
  };
  std::vector<Step> steps_;
};

/// One KV cache, one sequence. A forward of n rows, n forwards of one, and any pieces between give the same bits, on any number of
/// threads.
/// Threads  one forward at a time.
class Model {
public:
  /// Errors   BadInput: what the weights lack, a context beyond the model's; what the provider says of a kernel; Machine for memory.
  static Result<std::unique_ptr<Model>> load(ModelSource source, const KernelProvider& kernels, const ModelOptions& options);

  /// Runs `ids` at positions past, past + 1, ...; their keys and values stay in the cache. `logits` gets those of the last
  /// `outputs` ids (0 to all of them), [outputs, vocab]. Makes no allocation. `goOn` is asked behind every chunk, with the ids so far,
  /// whether the next one shall follow. Returns how many ids went through.
  /// Errors   BadInput: an id outside the vocabulary, positions outside the context, more outputs than ids.
  using GoOn = std::function<bool(int64_t done)>;
  Result<int64_t> forward(std::span<const int32_t> ids, int64_t past, int64_t outputs, float* logits, const GoOn& goOn = {});

  const ModelConfig& config() const { return source_.config; }
  const ModelSource& source() const { return source_; }
  const Plan& plan() const { return *plan_; }
  int64_t context() const { return plan_->context(); }
  int64_t weightBytes() const { return weights_.memory.bytes(); }
  /// What one token must read of weights: each once.
  double decodeBytes() const { return static_cast<double>(weights_.bytesPerToken); }
  double cacheBytesPerPosition() const { return static_cast<double>(plan_->memory().persistentBytes) / static_cast<double>(context()); }

private:
  explicit Model(ModelSource source) : source_(std::move(source)) {}

  ModelSource source_;
  LoadedWeights weights_;
  std::unique_ptr<Plan> plan_;
};

}  // namespace quern
