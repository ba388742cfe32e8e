// models/TextEncoder.h — vectors of texts, by a model that is an encoder.
#pragma once

#include "models/Model.h"
#include "runtime/PlanSession.h"

namespace quern {

/// A vector of each text: its rows' mean, or its first row (ModelConfig::pooling), of length 1 where that is asked for. Texts go through
/// side by side, as many as fit into a chunk, each attended by itself and none padded: a text's bits do not depend on its company.
/// Threads  one call at a time.
class TextEncoder {
public:
  /// Errors: BadInput: a model that is no encoder; Machine for memory.
  static Result<std::unique_ptr<TextEncoder>> make(std::shared_ptr<const Model> model, int threads);

  /// `vectors` gets [texts, width]. `goOn` is asked behind every chunk, with the texts so far, whether the next one shall follow. Returns
  /// how many texts are done. Errors   BadInput: a text without ids, one longer than the context, an id outside the vocabulary.
  using GoOn = std::function<bool(size_t done)>;
  Result<size_t> encode(std::span<const std::vector<int32_t>> texts, bool normalised, float* vectors, const GoOn& goOn = {});

  const Model& model() const { return *model_; }

private:
  TextEncoder(std::shared_ptr<const Model> model, std::unique_ptr<PlanSession> plan);
  Result<void> check(std::span<const std::vector<int32_t>> texts) const;
  void pool(const PlanSession::Group& text, bool normalised, float* vector);

  std::shared_ptr<const Model> model_;
  std::unique_ptr<PlanSession> plan_;
  std::vector<int32_t> ids_, positions_;  ///< of a chunk
  std::vector<PlanSession::Group> texts_;
  std::vector<float> rows_;   ///< [chunk, width]
  std::vector<double> sums_;  ///< of a text, [width]
};

}  // namespace quern
