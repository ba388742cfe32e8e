// models/Sampler.h — the next token from a model's logits.
#pragma once

#include "compiler/base/Result.h"

#include <cstdint>
#include <span>
#include <vector>

namespace quern {

/// Errors name these as the flags of `quern generate` they are.
struct SamplerOptions {
  double temperature = 0.8;    ///< 0 to 1000; 0 is greedy
  int64_t topK = 40;           ///< 0 to 2^31 - 1: the K likeliest; 0 is all
  double topP = 0.95;          ///< 0 to 1; the fewest likeliest whose probabilities sum to at least P; 1 is all
  double minP = 0.05;          ///< 0 to 1; those at least P times as likely as the likeliest; 0 is all
  double repeatPenalty = 1.0;  ///< 0.01 to 100: divides the logits above 0 of ids just seen, multiplies the others; 1 is none
  int64_t repeatLast = 64;     ///< how many of the last ids the penalty sees, 0 to 65536
  uint64_t seed = 0;
};

/// Errors   BadInput naming the option (temp, top-k, top-p, min-p, repeat-penalty, repeat-last), its value and the legal range.
Result<void> checkSampler(const SamplerOptions& options);

/// Chain    repetition penalty, top-k, top-p, min-p, temperature, one draw: the order of llama.cpp's default chain. At
///          temperature 0: penalty, then the largest logit, the lowest id among equals.
/// Numeric  probabilities in double, summed from the likeliest down (the lower id first among equals); the draw is one
///          53-bit number of xoshiro256**. The same seed and logits give the same ids on every machine and thread count.
/// Cost     O(V + K log K) per draw for top-k, O(V log V) at worst without; no allocation after make().
/// Threads  one caller at a time.
class Sampler {
public:
  /// Errors   BadInput as checkSampler, and where `vocabulary` is not positive.
  static Result<Sampler> make(const SamplerOptions& options, int64_t vocabulary);

  /// Notes an id for the repetition penalty: those of the prompt, then each one drawn.
  /// Ids outside the vocabulary are not noted.
  void accept(int32_t id);

  /// The next id, drawn from `logits` (one per id of the vocabulary, not changed). Does not accept it.
  /// Errors   BadInput: another number of logits; NaN, at which token; +Inf, or all of them -Inf.
  Result<int32_t> next(std::span<const float> logits);

  const SamplerOptions& options() const { return options_; }

private:
  /// The penalised logit; double, so that no penalty makes an infinity of a float.
  struct Candidate {
    double logit;
    int32_t id;
  };
  Sampler(const SamplerOptions& options, int64_t vocabulary);

  Result<void> load(std::span<const float> logits);
  size_t keepLikeliest();
  size_t keepProbable(size_t count);
  int32_t draw(size_t count);
  uint64_t random();

  SamplerOptions options_;
  std::vector<Candidate> candidates_;
  std::vector<double> weights_;  ///< of candidates_, relative to the likeliest
  std::vector<int32_t> last_;    ///< ring of the last ids
  std::vector<int32_t> seen_;    ///< per id: how often in the ring
  size_t lastCount_ = 0, lastAt_ = 0;
  uint64_t state_[4] = {};
};

}  // namespace quern
