// compiler/loops/ops/CodedRows.h — A of a product with a=q8: codes, scales and sums of codes in scratch, written by a phase of their own.
#pragma once

#include "compiler/loops/build/OpBuild.h"
#include "compiler/op/BlockValues.h"

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

/// 32 neighbours coded (op/BlockValues.h, codedBlock), in vectors of the target's lanes.
class BlockCoder {
public:
  BlockCoder(OpBuild& build, const std::vector<Value>& x);
  Value scale() const { return coding_.scale(); }
  /// To be asked before what follows.
  void code();
  /// Of sixteen codes.
  Value words(size_t group) const;
  /// Of the codes from element `first` on, in f32.
  Value sum(int first, int elements) const;
  /// -bias times such a sum, as i32.
  static Value startOf(const Value& sum, int bias);

private:
  static Value amaxOf(LoopBuilder& b, const std::vector<Value>& x, std::vector<Value>& vectors);

  LoopBuilder& b_;
  int lanes_;
  std::vector<Value> vectors_;
  Coding coding_;
  std::vector<Value> codes_, inFloat_;
};

/// A block of type q8: `at` gives the place of each of its words (OpBuild::dense) in `to`.
void storeCoded(OpBuild& build, const std::vector<Value>& x, const BufferRef& to, const std::function<std::vector<Value>(int word)>& at);

/// Rows of k elements, 32 neighbours together. Four codes lie in a word, the elements e, e + 4, e + 8 and e + 12 of sixteen: what four
/// lanes of an i32 vector after the other give without moving a lane. Coded by a phase of their own:
///
///   codes   i32 [rows][k / 4]      word 4 s + e of a row: elements 16 s + e, + 4, + 8, + 12, the first in the lowest byte
///   scales  f32 [rows][k / 32]
///   starts  i32 [rows][k / each]   -bias times the sum of each 32 (or 16) codes: what dots with bytes too large by bias start from
///   sums    f32 [rows][k / each]   of the codes, the other way round (-), where there is no bias
///
/// or given as blocks of type q8, which hold all of that.
class CodedRows {
public:
  /// The place of a row's element, counted through all batches.
  using PlaceInA = std::function<std::vector<Value>(const Value& row, const Value& k)>;
  /// `each`: 32 or 16. `rows`: batches times m. `sums`: whether starts or sums are read.
  CodedRows(OpBuild& build, const Value& rows, const Value& k, int64_t each, int bias, bool sums);
  /// `a`: as OpBuild::dense has it.
  CodedRows(OpBuild& build, const BufferRef& a, PlaceInA at, int64_t each, int bias);

  /// A task a row; `at` gives the place in `a` of a row's element.
  void phase(const BufferRef& a, const PlaceInA& at);

  /// Word `index` of the codes of a block.
  Value word(const Value& row, const Value& block, const Value& index) const;
  Value scale(const Value& row, const Value& block) const;
  /// Of a block's codes, or of one of its parts of `each`: start, or with no bias -sum.
  Value sum(const Value& row, const Value& block, int64_t part = 0) const;
  /// What a start is to be shifted down by: given blocks have multiples of it.
  int sumShift() const { return at_ ? CodedWords::shiftFor(bias_) : 0; }

private:
  void block(const std::vector<Value>& x, const Value& row, const Value& index);
  Value given(const Value& row, const Value& block, const Value& word) const;

  OpBuild& build_;
  Value rows_, k_;
  int64_t each_;
  int bias_;
  bool hasSums_;
  int lanes_;
  BufferRef codes_, scales_, sums_;
  PlaceInA at_;  ///< of given ones, which lie in codes_
};

}  // namespace quern
