// compiler/loops/build/PairWords.cpp — see PairWords.h.
#include "compiler/loops/build/PairWords.h"

namespace quern {

static constexpr auto kHigh = static_cast<int32_t>(0xffff0000);

static Value each(LoopOp op, const Value& x, int32_t constant) { return binary(op, x, i32Const(constant, x.lanes())); }

/// Half of what goes, and one more where the last bit that stays is set.
static Value roundedBits(const Value& bits) {
  constexpr int32_t kHalf = 0x7fff;
  Value odd = each(LoopOp::And, each(LoopOp::Lshr, bits, 16), 1);
  return binary(LoopOp::Add, each(LoopOp::Add, bits, kHalf), odd);
}

Value plainlyRoundedHigh(LoopBuilder& b, const Value& x) { return roundedBits(b.let("bits", unary(LoopOp::BitsI32, x))); }

Value roundedHigh(LoopBuilder& b, const Value& x) {
  constexpr int32_t kInf = 0x7f800000, kQuiet = 0x400000, kAll = 0x7fffffff;
  Value bits = b.let("bits", unary(LoopOp::BitsI32, x));
  Value rounded = roundedBits(bits);
  Value number = binary(LoopOp::Le, each(LoopOp::And, bits, kAll), i32Const(kInf, x.lanes()));
  return selectOf(number, rounded, each(LoopOp::Or, bits, kQuiet));
}

Value wordOf(const Value& low, const Value& high) {
  return binary(LoopOp::Or, each(LoopOp::Lshr, low, 16), each(LoopOp::And, high, kHigh));
}

Value lowOf(const Value& word) { return unary(LoopOp::BitsF32, each(LoopOp::Shl, word, 16)); }
Value highOf(const Value& word) { return unary(LoopOp::BitsF32, each(LoopOp::And, word, kHigh)); }

void pairsOfRow(OpBuild& build, int64_t k, const std::function<Value(const Value& k, int lanes)>& number,
                const std::function<void(const Value& pair, const Value& low, const Value& high)>& keep) {
  LoopBuilder& b = build.b;
  int lanes = build.target.vectorLanes();
  int64_t whole = k / (2 * lanes) * (2 * lanes);
  std::vector<int> evens, odds;
  for (int i = 0; i < lanes; ++i) evens.push_back(2 * i), odds.push_back(2 * i + 1);
  b.loop("k", 0, whole, 2 * lanes, [&](const Value& at) {
    Value first = b.let("x", number(at, lanes)), second = b.let("x", number(at + lanes, lanes));
    Value low = b.let("low", shuffleOf(first, second, evens)), high = b.let("high", shuffleOf(first, second, odds));
    keep(at / 2, low, high);
  });
  b.loop("k", whole, k / 2 * 2, 2, [&](const Value& at) {
    Value low = b.let("x", number(at, 1)), high = b.let("x", number(at + 1, 1));
    keep(at / 2, low, high);
  });
  if (k % 2 != 0) keep(k / 2, b.let("x", number(k - 1, 1)), f32Const(0));
}

void roundRow(OpBuild& build, int64_t k, const std::function<Value(const Value& k, int lanes)>& number,
              const std::function<void(const Value& pair, const Value& word)>& keep) {
  pairsOfRow(build, k, number, [&](const Value& pair, const Value& low, const Value& high) {
    Value first = roundedHigh(build.b, low), second = roundedHigh(build.b, high);
    keep(pair, wordOf(first, second));
  });
}

PairSums::PairSums(LoopBuilder& b, PairOrder order, bool instruction, const RegArray& acc, int rows, int vectors)
    : b_(b), order_(order), instruction_(instruction), acc_(acc), rows_(rows), vectors_(vectors), lanes_(acc.type.lanes) {}

void PairSums::run(const Value& common, const Value& last, const Words& words, const Word& word, const Guard& guard) {
  auto body = [&] {
    if (order_ == PairOrder::Pairs) return steps(0, common, last, words, word, guard);
    b_.loop("step", 0, last, kTilePairs, [&](const Value& first) {
      even_ = b_.reg("even", {rows_, vectors_}, f32Const(0, lanes_)), odd_ = b_.reg("odd", {rows_, vectors_}, f32Const(0, lanes_));
      Value end = b_.let("end", minOf(first + kTilePairs, last));
      steps(first, guard ? minOf(common, end) : end, end, words, word, guard);
      for (int r = 0; r < rows_; ++r)
        for (int v = 0; v < vectors_; ++v) {
          Value both = binary(LoopOp::AddFlushed, b_.get(even_, {r, v}), b_.get(odd_, {r, v}));
          b_.set(acc_, {r, v}, binary(LoopOp::AddFlushed, b_.get(acc_, {r, v}), both));
        }
    });
  };
  if (instruction_) body();
  else b_.flushed(body);
}

void PairSums::steps(const Value& first, const Value& common, const Value& last, const Words& words, const Word& word, const Guard& guard) {
  b_.loop("pair", first, common, 1, [&](const Value& pair) { step(pair, words, word, {}); });
  if (guard) b_.loop("pair", maxOf(first, common), last, 1, [&](const Value& pair) { step(pair, words, word, guard); });
}

void PairSums::step(const Value& pair, const Words& words, const Word& word, const Guard& guard) {
  std::vector<Value> all;
  for (const Value& own : words(pair)) all.push_back(b_.let("words", own));
  for (int r = 0; r < rows_; ++r) {
    auto body = [&](const Value* mask) {
      std::vector<Value> kept;
      for (const Value& own : all) kept.push_back(mask == nullptr ? own : b_.let("kept", binary(LoopOp::And, own, *mask)));
      add(r, b_.let("a", broadcast(word(pair, r), lanes_)), kept);
    };
    if (guard) guard(pair, r, body);
    else body(nullptr);
  }
}

void PairSums::add(int row, const Value& word, const std::vector<Value>& words) {
  if (order_ == PairOrder::Pairs) {
    for (int v = 0; v < vectors_; ++v) b_.set(acc_, {row, v}, dotPairsOf(b_.get(acc_, {row, v}), word, words[static_cast<size_t>(v)]));
    return;
  }
  Value low = b_.let("low", lowOf(word)), high = b_.let("high", highOf(word));
  for (int v = 0; v < vectors_; ++v) {
    const Value& own = words[static_cast<size_t>(v)];
    b_.set(even_, {row, v}, fmaFlushedOf(low, lowOf(own), b_.get(even_, {row, v})));
    b_.set(odd_, {row, v}, fmaFlushedOf(high, highOf(own), b_.get(odd_, {row, v})));
  }
}

}  // namespace quern
