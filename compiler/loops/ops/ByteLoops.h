// compiler/loops/ops/ByteLoops.h — products with a=i8: rows of A in codes of one scale in scratch, and the micro-kernel over all of k.
#pragma once

#include "compiler/base/Checked.h"
#include "compiler/loops/ops/ByteDots.h"
#include "compiler/loops/ops/CodedRows.h"
#include "compiler/loops/ops/RoundedProduct.h"

#include <optional>

namespace quern {

/// Rows of k elements coded together (op/BlockValues.h, codedRow), in words as CodedRows has them; beyond k there are codes of 0.
///
///   codes   i32 [rows][4 ceil(k / 16)]   word 4 s + e of a row: elements 16 s + e, + 4, + 8, + 12, the first in the lowest byte
///   scales  f32 [rows]
///   starts  i32 [rows]                   -bias times the sum of the codes, where there is a bias
///
/// For matrix tiles rows are whole lines, and of more words than 16 those that are left over 16s lie at the end of a line that begins with
/// zeros:  | 16 words | 16 words | 0 0 .. 0 words left |
class ByteRows {
public:
  /// k is known: a weight's. `more` rows behind the others may be read too, by matrix tiles; nothing is said of what they hold.
  ByteRows(OpBuild& build, const Value& rows, int64_t k, int bias, int64_t more = 0);

  /// Of k elements, in the weight too: four for each sixteen.
  static int64_t wordsOf(int64_t k) { return 4 * ceilDiv(k, kCodeGroup); }

  /// A task a row; `at` gives the place in `a` of a row's element.
  void phase(const BufferRef& a, const RoundedProduct::PlaceInA& at);

  const BufferRef& words() const { return codes_; }
  Value word(const Value& row, const Value& index) const { return build_.b.load(codes_, {row, index}, 1); }
  Value scale(const Value& row) const { return build_.b.load(scales_, {row}, 1); }
  Value start(const Value& row) const { return build_.b.load(starts_, {row}, 1); }

private:
  void codeRow(const Value& row, const std::function<std::vector<Value>(const Value& k)>& at);

  OpBuild& build_;
  Value rows_;
  int64_t k_, gap_ = 0;  ///< words of zeros before those that are left over 16s
  int bias_, lanes_;
  BufferRef a_, codes_, scales_, starts_;
};

/// Packed as PackLayout's words of i8, and the scales of its columns behind it.
class ByteWeight {
public:
  using Tile = RoundedProduct::Tile;
  /// Declares both.
  ByteWeight(OpBuild& build, const std::string& name, const MatmulOp& op, const MatmulSchedule& schedule, const Value& batch,
             const Value& panels);

  const BufferRef& words() const { return packed_; }
  /// Where a vector of a tile has word `index` of its columns.
  std::vector<Value> at(const Tile& tile, size_t vector, const Value& index) const {
    return {tile.batch, tile.vectors[vector].panel, index, tile.vectors[vector].column};
  }
  /// Of a tile's vectors.
  std::vector<Value> scales(const Tile& tile) const;

private:
  LoopBuilder& b_;
  bool batched_;
  int lanes_;
  BufferRef packed_, scales_;
};

/// One i32 sum for each output to the end of k, then the scales.
///
///   D = start; for word: [words of all vectors] for row: D = dot4(D, quads, codes); then acc = fma(f32(D), scale of row scales[n], acc)
class ByteProduct final : public RoundedProduct {
public:
  ByteProduct(OpBuild& build, const std::string& name, const MatmulOp& op, const MatmulSchedule& schedule, const Value& batch,
              const Value& panels);

  void declareRows(const Value& rows) override { rows_.emplace(build_, rows, k_, dots_.bias()); }
  void phase(const BufferRef& a, const PlaceInA& at) override { rows_->phase(a, at); }
  void given(const Value& rows, const BufferRef& a, const PlaceInA& at) override;
  void run(const Tile& tile) override;

private:
  Value word(const Tile& tile, size_t vector, const Value& index) const;
  void addWord(const Tile& tile, const RegArray& sums, const Value& index);
  void scaled(const Tile& tile, const RegArray& sums);

  OpBuild& build_;
  LoopBuilder& b_;
  int64_t k_, words_;
  int lanes_;
  int64_t unroll_, prefetch_;  ///< in words
  ByteDots dots_;
  ByteWeight weight_;
  std::optional<ByteRows> rows_;
};

}  // namespace quern
