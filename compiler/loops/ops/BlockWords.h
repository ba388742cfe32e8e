// compiler/loops/ops/BlockWords.h — words of codes to quads, four bytes of a column: what products of all kinds of blocks share that have a
// row of op/BlockFormat.h and no loops of their own.
#pragma once

#include "compiler/loops/build/LoopBuilder.h"
#include "compiler/op/BlockFormat.h"

namespace quern {

/// How a quad's bytes hold codes: as they are; or, for q with a sign, in the uppermost bits, the first of them turned round (code - bias is
/// that byte, shifted down with its sign).
enum class QuadForm : uint8_t { Plain, Upper };

/// (word shifted right by `by`) & mask in every byte; left where `by` is below 0.
Value masked(const Value& word, int by, int mask);

/// Quads of `format` from words that hold several.
class BlockWords {
public:
  BlockWords(LoopBuilder& b, const BlockFormat& format, QuadForm form) : b_(b), format_(format), form_(form) {}

  /// Quad `place` of a word of low bits, joined by what `high` has: with its bit `bit` of each byte. `high`: none where format.high is 0.
  Value quad(const Value& low, int place, const Value& high, int bit) const;
  /// What the bytes of a quad, which are codes, stand for, and `more`.
  Value looked(const Value& quad, int more) const;
  /// Byte `j` of a quad, as q in i32 (`bias` not taken off with Plain).
  Value element(const Value& quad, int j) const;

private:
  int bits() const { return format_.low + format_.high; }

  LoopBuilder& b_;
  const BlockFormat& format_;
  QuadForm form_;
};

/// 2^(e - 128) of an e in each i32 (op/BlockValues.h, powerOfByte).
Value powerOf(const Value& e);

}  // namespace quern
