// compiler/loops/ops/DotLoops.h — the micro-kernel of a product with a=q8: dots of bytes, block by block, then the scales.
#pragma once

#include "compiler/loops/ops/BlockWords.h"
#include "compiler/loops/ops/ByteDots.h"
#include "compiler/loops/ops/CodedRows.h"
#include "compiler/loops/ops/RoundedProduct.h"

#include <optional>

namespace quern {

/// Packed as PackLayout's words: four elements of a column in each, unsigned. A column's dot of a (sub-)block starts from what the
/// offset of its bytes adds, which is taken away so.
///
///   for block: for vector: [words of its quads, scales] for row: D = start; D = dot4(D, quads, codes) ...; acc = fma(f32(D), scale, acc)
class DotProduct final : public RoundedProduct {
public:
  DotProduct(OpBuild& build, const std::string& name, const MatmulOp& op, const MatmulSchedule& schedule, const Value& batch,
             const Value& panels);

  void declareRows(const Value& rows) override;
  void given(const Value& rows, const BufferRef& a, const PlaceInA& at) override;
  void phase(const BufferRef& a, const PlaceInA& at) override { codes_->phase(a, at); }
  void run(const Tile& tile) override;

private:
  /// A vector of columns of a block.
  struct At {
    const Tile& tile;
    Value block;  ///< along k, of the weight's type
    int64_t vector;
  };
  using Quads = std::vector<Value>;
  /// What a row's dot comes to, to be asked row by row.
  using RowSum = std::function<Value(const Value& r, const Value& row)>;
  /// Dots of a (sub-)block, step by step: in each a word is read and taken apart into quads.
  struct Part {
    Value block;  ///< of 32 codes
    int64_t steps, quadsEach;
    std::function<Quads(const Value& step)> quads;
    std::function<Value(const Value& step, int64_t quad)> word;  ///< of the block's codes, that a quad meets
    std::function<Value(const Value& row)> start;                ///< null: 0
    bool inHalves;                                               ///< all of them add up in 16 bits
  };
  /// All quads first, then row by row.
  RowSum sums(const Part& part);
  /// Word by word where a quad takes more than a register, or a dot more than an instruction; else as sums.
  RowSum sumsOfWords(const At& at, const Part& part);

  Value part(const At& at, Scalar stored, const Value& offset, int64_t bytesEach) const;
  Value word(const At& at, const Value& offset) const;
  Value half(const At& at, int64_t offset, const char* name) const;
  Value codes(const Value& row, const Value& block, const Value& word) const { return broadcast(codes_->word(row, block, word), lanes_); }
  Value scaleOf(const At& at, const Value& row, const Value& scale) const;
  Value start(const Value& row, const Value& block, int64_t part = 0) const;
  void eachRow(const At& at, const std::function<Value(const Value& r, const Value& row, const Value& acc)>& sum);
  Part nibbles(const At& at, const Value& offset, const Value& block);

  void q8_0(const At& at);
  void q4_0(const At& at);
  void q4_K(const At& at);
  void q6_K(const At& at);
  // Of any other row of op/BlockFormat.h (DotBlocks.cpp).
  void parts(const At& at);
  /// Scale and minimum of sub-block `s`, among the first four or the others by `side`: six bits each, as q4_K has them.
  struct SixBits {
    Value scale, minimum;
  };
  SixBits sixBits(const At& at, int side, const Value& s);
  /// Of 32: what their dot is multiplied by, and what the negative sum of their codes is (none: nothing).
  struct Scales {
    Value step, least;
  };
  void unit(const At& at, const Value& s, const Scales& scales);
  void unitOfPairs(const At& at, const Value& s, const Value& d, const Value& dmin);
  Part words(const At& at, const Value& s);
  Part pairs(const At& at, const Value& s, int half, const Value& high);

  /// What packed bytes are larger by than the weight's whole numbers.
  int bias() const;
  int64_t together() const;
  /// Of q2_K, whose dots have no bias, the multiple of sums of sixteen codes that there is; and of mxfp4 what makes
  /// its numbers bytes without a sign.
  static constexpr int kSumsBias = 32, kSmallBias = 16;

  OpBuild& build_;
  LoopBuilder& b_;
  ElementType type_;
  Value k_;
  int64_t panel_;
  int lanes_;
  ByteDots dots_;
  int64_t prefetch_;  ///< blocks
  BufferRef packed_;
  std::optional<CodedRows> codes_;
};

}  // namespace quern
