// models/TextEncoder.h — vectors of texts, by a model that is an encoder.
#pragma once

#include "models/Model.h"
#include "runtime/PlanSession.h"

namespace quern {

/// A vector of each text: its rows' mean, or its first row (ModelConfig::pooling), of length 1 where that is asked for. Texts go through
/// side by side, as many as fit into a chunk, each attended by itself and none padded: a text's bits do not depend on its company. Few
/// rows are shared by all threads step by step; of many each thread takes texts of its own, and waits for no other.
/// Threads  one call at a time.
class TextEncoder {
public:
  /// Errors: BadInput: a model that is no encoder; Machine for memory.
  static Result<std::unique_ptr<TextEncoder>> make(std::shared_ptr<const Model> model, int threads);

  /// `vectors` gets [texts, width]. `goOn` is asked behind every chunk, with how many texts are done so far, whether more shall follow: by
  /// any thread, one at a time. Returns how many texts are done, which are the first ones. Errors   BadInput: a text without ids, one
  /// longer than the context, an id outside the vocabulary; Machine for memory.
  using GoOn = std::function<bool(size_t done)>;
  Result<size_t> encode(std::span<const std::vector<int32_t>> texts, bool normalised, float* vectors, const GoOn& goOn = {});

  const Model& model() const { return *model_; }

private:
  using Texts = std::span<const std::vector<int32_t>>;
  /// A chunk on its way.
  struct Lane {
    std::unique_ptr<PlanSession> plan;
    std::vector<int32_t> ids, positions;
    std::vector<PlanSession::Group> texts;
    std::vector<float> rows;   ///< [chunk, width]
    std::vector<double> sums;  ///< of a text, [width]
  };
  struct Job;

  TextEncoder(std::shared_ptr<const Model> model, int threads) : model_(std::move(model)), threads_(threads) {}
  Result<Lane> lane(int threads) const;
  Result<void> check(Texts texts) const;
  /// Whether each thread has enough to do by itself.
  bool apart(Texts texts) const;
  void encode(Lane& lane, Job& job) const;
  void forward(Lane& lane, Texts texts) const;
  void pool(Lane& lane, const PlanSession::Group& text, bool normalised, float* vector) const;

  std::shared_ptr<const Model> model_;
  int threads_;
  Lane together_;
  std::vector<Lane> apart_;  ///< of one thread each; made when they are first needed
};

}  // namespace quern
