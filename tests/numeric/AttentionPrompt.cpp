// tests/numeric/AttentionPrompt.cpp — see AttentionPrompt.h.
#include "tests/numeric/AttentionPrompt.h"

#include "compiler/base/Checked.h"
#include "compiler/base/Half.h"
#include "compiler/op/BlockValues.h"

#include <algorithm>
#include <limits>

namespace quern {

/// A signalling NaN: one that is read, or left, or written over shows.
static constexpr int32_t kUntouched = 0x7fa00001;
static constexpr uint16_t kUntouchedHalf = 0x7fa1;
static constexpr auto kUntouchedByte = std::byte{0x7f};  // of a block: its scale is NaN

/// `elements` of a cache, rounded to its type.
static void put(ElementType type, const float* from, int64_t elements, std::byte* to) {
  if (type == ElementType::F32) std::memcpy(to, from, static_cast<size_t>(elements) * 4);
  else if (type == ElementType::BF16) std::transform(from, from + elements, reinterpret_cast<uint16_t*>(to), bfloatOfFloat);
  else
    for (int64_t at = 0; at < elements; at += 32) keptBlock(from + at, to + bytesOf(type, at));
}

/// NaN, or Inf, in their place.
static void spoil(ElementType type, int64_t elements, std::byte* to, bool infinite) {
  constexpr uint16_t kInfBfloat = 0x7f80, kInfHalf = 0x7c00;
  if (type == ElementType::F32)
    return void(std::fill_n(reinterpret_cast<int32_t*>(to), elements, infinite ? kInfBfloat << 16 : kUntouched));
  if (type == ElementType::BF16)
    return void(std::fill_n(reinterpret_cast<uint16_t*>(to), elements, infinite ? kInfBfloat : kUntouchedHalf));
  std::fill_n(to, bytesOf(type, elements), kUntouchedByte);
  for (int64_t at = 0; infinite && at < elements; at += 32) std::memcpy(to + bytesOf(type, at), &kInfHalf, 2);
}

std::string text(const Placement& placement) {
  return fmt::format("{}, {} spare, flush with the {}", placement.headMajor ? "head-major" : "token-major", placement.spare,
                     placement.flush == Flush::End ? "end" : "beginning");
}

Placement placementOf(size_t i) {
  constexpr int64_t spares[] = {0, 1, 7};
  return {i % 2 == 0 ? Flush::End : Flush::Begin, i / 2 % 2 == 1, spares[i / 4 % 3]};
}

Prompt::Prompt(const std::string& form, int64_t queryCount, int64_t tokenCount, uint64_t seed)
    : desc(quern::op("attention q=* kv=* " + form)), op(std::get<AttentionOp>(desc)), queries(queryCount), tokens(tokenCount) {
  std::mt19937_64 random(seed);
  auto fill = [&](std::vector<float>& to, int64_t elements) {
    to.resize(static_cast<size_t>(elements));
    for (float& x : to) x = static_cast<float>(static_cast<double>(random() >> 11) * 0x1p-52 - 1);
  };
  fill(q, queries * op.heads.value * op.headDim.value);
  fill(k, tokens * op.kvHeads.value * op.headDim.value);
  fill(v, tokens * op.kvHeads.value * op.headDim.value);
  for (std::vector<float>* each : {&k, &v}) {
    auto elements = static_cast<int64_t>(each->size());
    std::vector<std::byte> kept(static_cast<size_t>(bytesOf(op.kvType, elements)));
    put(op.kvType, each->data(), elements, kept.data());
    rowValues(op.kvType, kept.data(), elements, each->data());
  }
}

std::span<const float> Prompt::rowsOf(const std::vector<float>& all, const Piece& piece) const {
  int64_t row = op.heads.value * op.headDim.value;
  return std::span(all).subspan(static_cast<size_t>(piece.begin * row), static_cast<size_t>((piece.end - piece.begin) * row));
}

static Rows tokenMajor(int64_t tokens, int64_t heads, int64_t width, int64_t spare) {
  return {tokens, heads, width, heads * (width + spare), width + spare};
}

static GuardedArray untouched(const Rows& rows, Flush flush) {
  GuardedArray array(static_cast<size_t>(rows.elements()) * 4, flush);
  std::fill_n(array.i32(), rows.elements(), kUntouched);
  return array;
}

/// Tokens [begin, end) of `dense`.
static void copyRows(const float* dense, const Rows& to, const GuardedArray& array, int64_t begin, int64_t end) {
  for (int64_t t = begin; t < end; ++t)
    for (int64_t h = 0; h < to.heads; ++h) std::copy_n(dense + (t * to.heads + h) * to.width, to.width, array.f32() + to.at(t, h));
}

static Rows cacheRows(const AttentionOp& op, int64_t capacity, const Placement& placement) {
  int64_t heads = op.kvHeads.value, width = op.headDim.value;
  if (!placement.headMajor) return tokenMajor(capacity, heads, width, roundUp(placement.spare, formatOf(op.kvType).block));
  return {capacity, heads, width, width, (capacity + placement.spare) * width};
}

static GuardedArray emptyCache(const AttentionOp& op, const Rows& rows, Flush flush) {
  GuardedArray array(static_cast<size_t>(bytesOf(op.kvType, rows.elements())), flush);
  spoil(op.kvType, rows.elements(), static_cast<std::byte*>(array.data()), false);
  return array;
}

Cache::Cache(const Prompt& prompt, int64_t capacity, const Placement& placement)
    : prompt_(prompt),
      rows_(cacheRows(prompt.op, capacity, placement)),
      k_(emptyCache(prompt.op, rows_, placement.flush)),
      v_(emptyCache(prompt.op, rows_, placement.flush)) {}

std::byte* Cache::rowOf(const GuardedArray& array, int64_t token, int64_t head) const {
  return static_cast<std::byte*>(array.data()) + bytesOf(prompt_.op.kvType, rows_.at(token, head));
}

void Cache::grow(int64_t end) {
  for (int64_t t = filled_; t < end; ++t)
    for (int64_t h = 0; h < rows_.heads; ++h) {
      int64_t from = (t * rows_.heads + h) * rows_.width;
      put(prompt_.op.kvType, prompt_.k.data() + from, rows_.width, rowOf(k_, t, h));
      put(prompt_.op.kvType, prompt_.v.data() + from, rows_.width, rowOf(v_, t, h));
    }
  filled_ = std::max(filled_, end);
}

void Cache::poison(int64_t begin, bool infinite) {
  for (int64_t t = begin; t < filled_; ++t)
    for (int64_t h = 0; h < rows_.heads; ++h)
      for (const GuardedArray* array : {&k_, &v_}) spoil(prompt_.op.kvType, rows_.width, rowOf(*array, t, h), infinite);
}

std::vector<float> run(const KernelSet& kernel, const Prompt& prompt, const Piece& piece, const Cache& cache, const Placement& placement,
                       ThreadPool* pool) {
  int64_t heads = prompt.op.heads.value, width = prompt.op.headDim.value, count = piece.end - piece.begin;
  Rows rows = tokenMajor(count, heads, width, placement.headMajor ? 0 : placement.spare);
  GuardedArray query = untouched(rows, placement.flush), out = untouched(rows, placement.flush);
  copyRows(prompt.q.data() + piece.begin * heads * width, rows, query, 0, count);
  std::vector<int64_t> dims;
  for (const std::string& name : kernel.info().dims) dims.push_back(prompt.dims(piece).at(name));
  std::vector<int64_t> strides = {rows.tokenStride, rows.headStride};
  const Operand operands[] = {{query.data(), strides}, cache.keys(), cache.values(), {out.data(), strides}};
  auto call = KernelCall::make(kernel, dims, operands, pool == nullptr ? 1 : pool->threads());
  REQUIRE(call);
  if (pool == nullptr) call->run();
  else call->run(runnerOf(*pool));
  std::vector<float> dense;
  bool kept = true;
  for (int64_t r = 0; r < count * heads; ++r) {
    int64_t at = rows.at(r / heads, r % heads);
    dense.insert(dense.end(), out.f32() + at, out.f32() + at + width);
    int64_t behind = std::min(at + rows.headStride, rows.elements());
    kept = kept && std::all_of(out.i32() + at + width, out.i32() + behind, [](int32_t bits) { return bits == kUntouched; });
  }
  REQUIRE(kept);
  return dense;
}

std::vector<float> run(const KernelSet& kernel, const Prompt& prompt, const Piece& piece, const Placement& placement, ThreadPool* pool,
                       int64_t poisoned, bool infinite) {
  Cache cache(prompt, piece.kv, placement);
  cache.grow(piece.kv);
  if (poisoned >= 0) cache.poison(poisoned, infinite);
  return run(kernel, prompt, piece, cache, placement, pool);
}

Schedule drawnSchedule(const OpDesc& desc, const Target& level, std::mt19937_64& random) {
  auto either = [&]<class T>(std::initializer_list<T> values) { return values.begin()[random() % values.size()]; };
  while (true) {
    std::string keys = fmt::format("lanes={} rows={} mr={} kr={} tiles={} pack={} split={}", either({4, 8, 16}),
                                   either({1, 2, 3, 4, 5, 8, 16, 17, 33, 48, 64, 100}), either({1, 2, 4}), either({1, 2, 4, 8, 16}),
                                   either({1, 1, 2, 3, 4, 8, 32}), either({"none", "kv"}), either({0, 1}));
    if (auto drawn = parseSchedule(keys, desc, level)) return *drawn;
  }
}

}  // namespace quern
