// models/Sampler.cpp — see Sampler.h.
#include "models/Sampler.h"

#include "compiler/base/Text.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>

namespace quern {

static constexpr int64_t kMaxRepeatLast = 65536;

Result<void> checkSampler(const SamplerOptions& options) {
  struct Range {
    const char* name;
    double value, low, high;
  };
  const Range ranges[] = {
      {"temp", options.temperature, 0, 1000},
      {"top-k", static_cast<double>(options.topK), 0, INT32_MAX},
      {"top-p", options.topP, 0, 1},
      {"min-p", options.minP, 0, 1},
      {"repeat-penalty", options.repeatPenalty, 0.01, 100},
      {"repeat-last", static_cast<double>(options.repeatLast), 0, static_cast<double>(kMaxRepeatLast)},
  };
  for (const Range& range : ranges)
    if (!(range.value >= range.low && range.value <= range.high))
      return badInput(
          fmt::format("{} {}: {} to {} are legal", range.name, shortest(range.value), shortest(range.low), shortest(range.high)));
  return {};
}

/// e^x for x <= 0, from additions, multiplications and one division only, so that it is the same on every machine (a
/// library's exp may use fused operations where the CPU has them).
/// Numeric  relative error below 4 u, u = 2^-53: x = k ln 2 + r with |r| <= ln 2 / 2, where r^14 / 14! < 2^-57.
static double expOf(double x) {
  if (!(x > -745)) return 0;
  constexpr double kLog2High = 0x1.62e42fee00000p-1, kLog2Low = 0x1.a39ef35793c76p-33;  // their sum is ln 2
  double k = std::floor(x * (1 / (kLog2High + kLog2Low)) + 0.5);
  double r = (x - k * kLog2High) - k * kLog2Low;
  double sum = 1;
  for (int i = 13; i > 0; --i) sum = 1 + sum * r / i;
  return std::ldexp(sum, static_cast<int>(k));
}

Result<Sampler> Sampler::make(const SamplerOptions& options, int64_t vocabulary) {
  if (auto good = checkSampler(options); !good) return good.error();
  if (vocabulary < 1 || vocabulary > INT32_MAX)
    return badInput(fmt::format("a vocabulary of {} tokens: 1 to {} are legal", vocabulary, INT32_MAX));
  return Sampler(options, vocabulary);
}

Sampler::Sampler(const SamplerOptions& options, int64_t vocabulary)
    : options_(options),
      candidates_(static_cast<size_t>(vocabulary)),
      weights_(static_cast<size_t>(vocabulary)),
      last_(static_cast<size_t>(options.repeatLast)),
      seen_(static_cast<size_t>(vocabulary)) {
  uint64_t seed = options.seed;  // splitmix64, as xoshiro's authors seed it
  for (uint64_t& word : state_) {
    seed += 0x9e3779b97f4a7c15u;
    uint64_t mixed = (seed ^ seed >> 30) * 0xbf58476d1ce4e5b9u;
    mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111ebu;
    word = mixed ^ mixed >> 31;
  }
}

/// xoshiro256** 1.0. Source: Blackman and Vigna, Scrambled Linear Pseudorandom Number Generators.
uint64_t Sampler::random() {
  auto rotated = [](uint64_t x, int by) { return x << by | x >> (64 - by); };
  uint64_t out = rotated(state_[1] * 5, 7) * 9, shifted = state_[1] << 17;
  state_[2] ^= state_[0];
  state_[3] ^= state_[1];
  state_[1] ^= state_[2];
  state_[0] ^= state_[3];
  state_[2] ^= shifted;
  state_[3] = rotated(state_[3], 45);
  return out;
}

void Sampler::accept(int32_t id) {
  if (last_.empty() || id < 0 || static_cast<size_t>(id) >= seen_.size()) return;
  if (lastCount_ == last_.size()) --seen_[static_cast<size_t>(last_[lastAt_])];
  else ++lastCount_;
  last_[lastAt_] = id;
  lastAt_ = (lastAt_ + 1) % last_.size();
  ++seen_[static_cast<size_t>(id)];
}

/// Checked logits, penalised, into candidates_.
Result<void> Sampler::load(std::span<const float> logits) {
  if (logits.size() != candidates_.size())
    return badInput(fmt::format("{} logits given, {} are needed", logits.size(), candidates_.size()));
  bool any = false;
  for (size_t i = 0; i < logits.size(); ++i) {
    double logit = static_cast<double>(logits[i]);
    if (std::isnan(logit)) return badInput(fmt::format("logits hold NaN at token {}", i));
    if (logit == INFINITY) return badInput(fmt::format("logits hold +Inf at token {}", i));
    any = any || logit != -INFINITY;
    if (seen_[i] > 0) logit = logit > 0 ? logit / options_.repeatPenalty : logit * options_.repeatPenalty;
    candidates_[i] = {logit, static_cast<int32_t>(i)};
  }
  if (!any) return badInput(fmt::format("all {} logits are -Inf: no token can be drawn", logits.size()));
  return {};
}

/// Sorts the top-k to the front; their number.
size_t Sampler::keepLikeliest() {
  // A total order: which candidates are kept, and their order, do not depend on how a library sorts.
  auto before = [](const Candidate& a, const Candidate& b) { return a.logit != b.logit ? a.logit > b.logit : a.id < b.id; };
  size_t count = candidates_.size();
  auto at = [&](size_t i) { return candidates_.begin() + static_cast<std::ptrdiff_t>(i); };
  if (options_.topK > 0 && static_cast<size_t>(options_.topK) < count) {
    count = static_cast<size_t>(options_.topK);
    std::nth_element(candidates_.begin(), at(count - 1), candidates_.end(), before);
  }
  std::sort(candidates_.begin(), at(count), before);
  return count;
}

/// Top-p, then min-p, of the `count` sorted candidates; how many stay.
size_t Sampler::keepProbable(size_t count) {
  double total = 0;
  for (size_t i = 0; i < count; ++i) {
    weights_[i] = expOf(candidates_[i].logit - candidates_[0].logit);
    total += weights_[i];
  }
  if (options_.topP < 1) {
    double sum = 0;
    size_t kept = 0;
    while (kept < count && (kept == 0 || sum < options_.topP * total)) sum += weights_[kept++];
    count = kept;
  }
  while (count > 1 && weights_[count - 1] < options_.minP) --count;
  return count;
}

int32_t Sampler::draw(size_t count) {
  double total = 0;
  for (size_t i = 0; i < count; ++i) {
    weights_[i] = expOf((candidates_[i].logit - candidates_[0].logit) / options_.temperature);
    total += weights_[i];
  }
  double point = static_cast<double>(random() >> 11) * 0x1p-53 * total, sum = 0;
  for (size_t i = 0; i < count; ++i) {
    sum += weights_[i];
    if (sum > point) return candidates_[i].id;
  }
  return candidates_[0].id;  // rounding alone leads here: point < total = sum
}

Result<int32_t> Sampler::next(std::span<const float> logits) {
  if (auto good = load(logits); !good) return good.error();
  if (options_.temperature == 0) {
    const Candidate* best = candidates_.data();
    for (const Candidate& candidate : candidates_)
      if (candidate.logit > best->logit) best = &candidate;
    return best->id;
  }
  return draw(keepProbable(keepLikeliest()));
}

}  // namespace quern
