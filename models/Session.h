// models/Session.h — one sequence of a model: its KV cache, and the threads that run it.
#pragma once

#include "models/Model.h"
#include "runtime/PlanSession.h"

namespace quern {

/// A forward of n rows, n forwards of one, and any pieces between give the same bits, on any number of threads, whatever other sessions of
/// the model do.
/// Threads  one forward at a time.
class Session {
public:
  /// Errors: Machine for memory.
  static Result<std::unique_ptr<Session>> make(std::shared_ptr<const Model> model, int threads);
  /// A model of its own. Errors: as Model::load; Machine for memory.
  static Result<std::unique_ptr<Session>> load(ModelSource source, const KernelProvider& kernels, const ModelOptions& options);

  /// Runs `ids` at positions past, past + 1, ...; their keys and values stay in the cache. `logits` gets those of the last
  /// `outputs` ids (0 to all of them), [outputs, vocab]. Makes no allocation. `goOn` is asked behind every chunk, with the ids so far,
  /// whether the next one shall follow. Returns how many ids went through.
  /// Errors   BadInput: an id outside the vocabulary, positions outside the context, more outputs than ids, a past that is not kept.
  using GoOn = std::function<bool(int64_t done)>;
  Result<int64_t> forward(std::span<const int32_t> ids, int64_t past, int64_t outputs, float* logits, const GoOn& goOn = {});

  /// Whether a forward at `past` finds what it reads: where layers have windows, their caches keep the last positions only. At 0 always.
  bool keeps(int64_t past) const { return model_->plan()->keeps(past, lost_); }
  /// Errors   BadInput: it does not.
  Result<void> checkKept(int64_t past) const;
  /// Keys and values of the first `count` positions, buffer by buffer, as the cache holds them; of layers with windows those that what
  /// follows may see. keeps(count) must be true where they are to be read.
  std::vector<std::span<std::byte>> cached(int64_t count);
  /// What cached(count) gave has been filled: the session goes on from there.
  void resumed(int64_t count) { lost_ = model_->plan()->notGiven(count); }

  const Model& model() const { return *model_; }
  const ModelConfig& config() const { return model_->config(); }
  int64_t context() const { return model_->context(); }
  int threads() const { return plan_->threads(); }
  ThreadPool& pool() { return plan_->pool(); }

private:
  Session(std::shared_ptr<const Model> model, std::unique_ptr<PlanSession> plan) : model_(std::move(model)), plan_(std::move(plan)) {}

  std::shared_ptr<const Model> model_;
  std::unique_ptr<PlanSession> plan_;
  int64_t lost_ = 0;  ///< of the positions so far the first so many may be overwritten
};

}  // namespace quern
