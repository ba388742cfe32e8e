// tests/numeric/AttentionPrompt.h — what the attention tests share: a prompt, pieces of it run as a model would run them, caches laid
// out and placed in several ways, schedules drawn from all that are legal.
#pragma once

#include "tests/numeric/KernelRuns.h"

#include <random>

namespace quern {

/// How the operands of one run lie.
struct Placement {
  Flush flush = Flush::End;
  bool headMajor = false;  ///< K and V are a cache [kv_heads, capacity, head_dim]
  int64_t spare = 0;  ///< elements (whole blocks) behind every head's row of a token; head-major: rows behind the last key of every head
};
std::string text(const Placement& placement);
/// The i-th of all.
Placement placementOf(size_t i);

/// Rows [begin, end) of a prompt, that meet its first kv keys.
struct Piece {
  int64_t begin = 0, end = 0, kv = 0;
};
inline std::string text(const Piece& piece) { return fmt::format("rows {} to {} of {} keys", piece.begin, piece.end, piece.kv); }

/// Addresses of a [tokens, heads, width] operand.
struct Rows {
  int64_t tokens, heads, width, tokenStride, headStride;
  int64_t elements() const { return tokens == 0 ? 0 : (tokens - 1) * tokenStride + (heads - 1) * headStride + width; }
  int64_t at(int64_t token, int64_t head) const { return token * tokenStride + head * headStride; }
};

/// Plain data for an attention with q=* kv=*: the first `queries` rows of a prompt of `tokens`. What is drawn for keys and values is
/// rounded to their type; so must be what is put in its place.
struct Prompt {
  Prompt(const std::string& form, int64_t queries, int64_t tokens, uint64_t seed);

  OpDesc desc;
  AttentionOp op;
  int64_t queries, tokens;
  std::vector<float> q, k, v;  ///< token-major, dense

  Piece whole() const { return {0, queries, tokens}; }
  /// Rows [begin, end) with the keys they are computed with: all up to their last one with causal=1, else all there are.
  Piece piece(int64_t begin, int64_t end) const { return {begin, end, op.causal == Causal::LastRowSeesAll ? end : tokens}; }
  /// Their part of the output of all.
  std::span<const float> rowsOf(const std::vector<float>& all, const Piece& piece) const;
  DimValues dims(const Piece& piece) const { return {{"q", piece.end - piece.begin}, {"kv", piece.kv}}; }
};

/// K and V of a prompt, f32, bf16 or q8_0, which grow; NaN wherever there is no key yet.
class Cache {
public:
  Cache(const Prompt& prompt, int64_t capacity, const Placement& placement);

  /// Takes in the keys up to `end`.
  void grow(int64_t end);
  /// NaN, or Inf, for the keys and values from `begin` on.
  void poison(int64_t begin, bool infinite = false);
  Operand keys() const { return {k_.data(), {rows_.tokenStride, rows_.headStride}}; }
  Operand values() const { return {v_.data(), {rows_.tokenStride, rows_.headStride}}; }

private:
  std::byte* rowOf(const GuardedArray& array, int64_t token, int64_t head) const;

  const Prompt& prompt_;
  Rows rows_;
  GuardedArray k_, v_;
  int64_t filled_ = 0;
};

/// Dense rows of the output. What lies between the rows of the output must stay as it was.
std::vector<float> run(const KernelSet& kernel, const Prompt& prompt, const Piece& piece, const Cache& cache, const Placement& placement,
                       ThreadPool* pool = nullptr);
/// On a cache of just the keys of the piece; from `poisoned` on they are NaN, or Inf.
std::vector<float> run(const KernelSet& kernel, const Prompt& prompt, const Piece& piece, const Placement& placement = {},
                       ThreadPool* pool = nullptr, int64_t poisoned = -1, bool infinite = false);

/// A legal schedule out of all keys and many values of each.
Schedule drawnSchedule(const OpDesc& desc, const Target& level, std::mt19937_64& random);

}  // namespace quern
