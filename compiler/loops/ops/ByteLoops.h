// compiler/loops/ops/ByteLoops.h — products with a=i8: rows of A in codes of one scale in scratch, and the micro-kernel over all of k.
#pragma once

#include "compiler/loops/ops/ByteDots.h"
#include "compiler/loops/ops/RoundedProduct.h"

#include <optional>

namespace quern {

/// Rows of k elements coded together (op/BlockValues.h, codedRow), in words as CodedRows has them; beyond k there are codes of 0.
///
///   codes   i32 [rows][4 ceil(k / 16)]   word 4 s + e of a row: elements 16 s + e, + 4, + 8, + 12, the first in the lowest byte
///   scales  f32 [rows]
///   starts  i32 [rows]                   -bias times the sum of the codes, where there is a bias
class ByteRows {
public:
  /// k is known: a weight's.
  ByteRows(OpBuild& build, const Value& rows, int64_t k, int bias);

  /// A task a row; `at` gives the place in `a` of a row's element.
  void phase(const BufferRef& a, const RoundedProduct::PlaceInA& at);

  Value word(const Value& row, const Value& index) const { return build_.b.load(codes_, {row, index}, 1); }
  Value scale(const Value& row) const { return build_.b.load(scales_, {row}, 1); }
  Value start(const Value& row) const { return build_.b.load(starts_, {row}, 1); }

private:
  void codeRow(const Value& row, const std::function<std::vector<Value>(const Value& k)>& at);

  OpBuild& build_;
  Value rows_;
  int64_t k_;
  int bias_, lanes_;
  BufferRef a_, codes_, scales_, starts_;
};

/// Packed as PackLayout's words of i8: one i32 sum for each output to the end of k, then the scales.
///
///   D = start; for word: [words of all vectors] for row: D = dot4(D, quads, codes); then acc = fma(f32(D), scale of row scales[n], acc)
class ByteProduct final : public RoundedProduct {
public:
  /// Declares the weight's scales behind it.
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
  bool batched_;
  int64_t k_, words_, panel_;
  int lanes_;
  int64_t unroll_, prefetch_;  ///< in words
  ByteDots dots_;
  BufferRef packed_, scales_;
  std::optional<ByteRows> rows_;
};

}  // namespace quern
