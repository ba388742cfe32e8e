// compiler/loops/ops/CodedRows.h — A of a product with a=q8: codes, scales and sums of codes in scratch, written by a phase of their own.
#pragma once

#include "compiler/loops/build/OpBuild.h"

namespace quern {

inline constexpr int kCodeGroup = 16;  ///< elements of four words

/// Numbers to codes of a byte, by the largest size among them (op/BlockValues.h, codedBlock).
class Coding {
public:
  Coding(LoopBuilder& b, const Value& amax);
  Value scale() const;
  /// What makes codes, to be made once; 1 where there are none.
  Value inverse() const;

  struct Codes {
    Value bytes;           ///< i32: the low byte alone
    Value whole, inFloat;  ///< i32 with a sign, and the same in f32
  };
  Codes codes(const Value& x, const Value& inverse) const;

private:
  LoopBuilder& b_;
  Value amax_, finite_, some_;
};

/// Sixteen codes in vectors of lanes, bytes alone, to four words: elements e, e + 4, e + 8 and e + 12 in word e.
Value wordsOfCodes(LoopBuilder& b, std::vector<Value> bytes);

/// Rows of k elements, 32 neighbours together (op/BlockValues.h, codedBlock). Four codes lie in a word, the elements e, e + 4, e + 8 and
/// e + 12 of sixteen: what four lanes of an i32 vector after the other give without moving a lane.
///
///   codes   i32 [rows][k / 4]      word 4 s + e of a row: elements 16 s + e, + 4, + 8, + 12, the first in the lowest byte
///   scales  f32 [rows][k / 32]
///   starts  i32 [rows][k / each]   -bias times the sum of each 32 (or 16) codes: what dots with bytes too large by bias start from
///   sums    f32 [rows][k / each]   of the codes, the other way round (-), where there is no bias
class CodedRows {
public:
  /// `each`: 32 or 16. `rows`: batches times m. `sums`: whether starts or sums are read.
  CodedRows(OpBuild& build, const Value& rows, const Value& k, int64_t each, int bias, bool sums);

  /// A task a row; `at` gives the place in `a` of a row's element.
  void phase(const BufferRef& a, const std::function<std::vector<Value>(const Value& row, const Value& k)>& at);

  Value word(const Value& row, const Value& index) const { return build_.b.load(codes_, {row, index}, 1); }
  Value scale(const Value& row, const Value& block) const { return build_.b.load(scales_, {row, block}, 1); }
  /// Of a part of `each` codes: start, or with no bias -sum.
  Value sum(const Value& row, const Value& part) const { return build_.b.load(sums_, {row, part}, 1); }

private:
  void block(const std::vector<Value>& x, const Value& row, const Value& index);

  OpBuild& build_;
  Value rows_, k_;
  int64_t each_;
  int bias_;
  bool hasSums_;
  int lanes_;
  BufferRef codes_, scales_, sums_;
};

}  // namespace quern
