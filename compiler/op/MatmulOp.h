// compiler/op/MatmulOp.h — what a matmul computes. How it runs: schedule/MatmulSchedule.h.
#pragma once

#include "compiler/op/OpCommon.h"
#include "compiler/op/ScalarExpr.h"

namespace quern {

/// One of the products of bf16 that a product is the sum of: a piece of A times a piece of B, the largest pieces being 0.
struct PieceTerm {
  int a, b;
};

/// C[b,m,n] = ep( sum over k of A[b,m,k] * B[b,k,n] ), with the leading axes b where batch is said
///
/// Shapes   m, n, k >= 0, no multiple required; every one and batch may be dynamic, except n, k and batch_b of a weight (const=b).
///          batch has up to kMostBatchAxes axes; batch_a and batch_b (without: all of batch) broadcast to it as NumPy's do, and each axis
///          is one of theirs. vector=a: A is [k], m is 1, and neither C nor what is like C has that axis; vector=b: B is [k], n is 1, so.
/// Layout   row-major with leading strides in elements. ta: A is stored [k,m]; tb: B is stored [n,k]. w: the type of a weight, whose
///          blocks lie along k (ElementType.h).
///          All are dense where one B serves all of the batch (asOneProduct), and those that vector= takes an axis from.
/// Operands A, B, (scales if a=i8: f32 [n], with batch_b in front), (C if acc), then the operands of ep as they appear: bias [n], residual
///          [m,n] (with batch in front), any other name with the shape its own key gives, broadcast to the output's.
/// Numeric  order=seq: one FMA chain over ascending k from +0 (from C with acc). |error| <= (k + 2) u S,
///          S = sum|a||b| + |bias| + |residual| + |C|, u = 2^-24.
///          a=q8: A in codes and scales sa, of a weight d (q - least) the dots D of a (sub-)block in whole numbers, exactly; q of iq4_nl,
///          iq4_xs and mxfp4 is what the code stands for, d of mxfp4 is 2^(e - 128):
///            q8_0, q4_0, q5_0, iq4_nl, mxfp4   acc = fma(float(D), sa d, acc)
///            q4_1, q5_1   the same, then fma(float(sum of codes), sa m, acc)
///            q5_K         as q4_K
///            iq4_xs       acc = fma(float(D), sa (d scale), acc)
///            q4_K         acc = fma(float(D), sa (d scale), acc), then fma(-float(sum of codes), sa (dmin least), acc)
///            q3_K, q6_K   D = scale0 D0 + scale1 D1, of sixteen each, then as q8_0
///            q2_K         the same, then fma(-float(L), sa dmin, acc), L = least0 S0 + least1 S1 of the sums of sixteen codes each
///          block after block, each product of scales rounded; the same bits on every level. Against A as it was, the error is at most
///          the sum over blocks of amax / 254 sum|B| (1 + 2^-20), and what f32 would err.
///          a=i8: a row of A in codes and one scale sa, of a weight scales[n] q the dot D over all of k in whole numbers, exactly
///            (|D| <= 128 * 127 k, below 2^31 up to kMostWholeDepth); acc = fma(float(D), sa scales[n], acc), once, from +0 (from C with
///            acc), the product of scales rounded first; the same bits on every level. Against A as it was, the error is at most
///            amax / 254 sum|B| (1 + 2^-20) with the amax of the row, and what f32 would err.
///          a=bf16: A to bf16, nearest even; numbers below 2^-126 in size, arguments and results of fma and sums, are 0.
///            order=tile32   of each 32 of k one chain of fma over the even ones and one over the odd ones, from 0; C + (even + odd);
///                           beyond k there are zeros
///            order=pairs    acc = fma(a0, b0, fma(a1, b1, acc)), k two by two
///            A weight of f16 is the sum of two bf16, exactly: hi, of numbers of eight significant bits the next below it in size, and
///            lo, the rest. Both have its sign and are 0 only where it is, so that two products are Inf or NaN where one would be. Each 32
///            of k (tile32), or each two (pairs), are added up first with lo, then with hi. |error| <= (2 k + 4) u S.
///            A weight in blocks: each element is the f32 that it stands for (ElementType.h), then that to bf16,
///            nearest even; NaN and Inf stay such. |error| <= (k + 2) u S of A and B as they are rounded, as with a weight of bf16; against
///            both as they were (2^-8 + 2^-18) sum|a||b| more.
///          a=f32x3: elements of A and of a weight of f32 as three bf16 each, every one the nearest to what those before it leave (ties to
///            even, and finite); what is below 2^-126 in size, to begin with or left, is 0. Of nine products of theirs six are added
///            up as those of a=bf16 are: 2 2 (piece 2 of A, piece 2 of B), 1 3, 3 1, 1 2, 2 1, 1 1; the other three are u |a||b| at most.
///            order=tile32   each 32 of k, one of the six after the other
///            order=pairs    k two by two, the first five onto 0; then as a=bf16 has it with 1 1, but onto acc + those
///            |error| <= (3 k / 2 + 26) u S + 2^-126 sum(|a| + |b| + 8). Of an Inf or NaN the third piece is that and the first 1 with its
///            sign: what is Inf or NaN as a product of f32 is so here, except that a finite product beyond 2^135 may be NaN too.
///          in=: A arrives as a=bf16 or a=q8 would have it rounded: bf16 (k even), or q8 (ElementType.h). The bits are those of in=f32 with
///          an A that was rounded so.
///          out=: C is handed on as another product's in= takes it: each output as f32 first, then to bf16, or 32 of a row together (n a
///          multiple). What that errs by comes on top: 2^-8 |C|, or amax (1 / 254 + 2^-21) of each 32.
///          maths=common: the functions of ep in the one form that all levels with fma have; without, in the level's quickest.
/// Errors   validate(): BadCommand naming the field.
/// Source   Higham, Accuracy and Stability of Numerical Algorithms, ch. 3.
struct MatmulOp {
  static constexpr std::string_view kName = "matmul";
  static constexpr OpClass kClass = OpClass::Contraction;
  static constexpr std::string_view kScales = "scales";  ///< the operand behind B with a=i8
  static constexpr int64_t kMostWholeDepth = 131072;     ///< k of a=i8

  static constexpr size_t kMostBatchAxes = kMaxRank - 2;

  Dim m, n, k;
  Shape batch, batchA, batchB;            ///< leading axes of C, of A and of B
  bool vectorA = false, vectorB = false;  ///< A, B without the axis of length one
  bool ta = false, tb = false, constB = false, acc = false;
  ElementType w = ElementType::F32;                          ///< of a weight's elements; its products are of the f32 that they stand for
  RoundedTo a = RoundedTo::F32;                              ///< A as it is multiplied
  PairOrder order = PairOrder::Tile32;                       ///< of a=bf16 and a=f32x3
  ElementType in = ElementType::F32;                         ///< A as it arrives: or BF16, Q8
  ElementType out = ElementType::F32;                        ///< C as it leaves: the same
  ScalarExprRef ep;                                          ///< null: none
  bool commonMaths = false;                                  ///< ep's functions in one form on all levels with fma
  std::vector<std::pair<std::string, Shape>> operandShapes;  ///< of ep's operands other than x, bias, residual

  static OpDoc doc();
  static MatmulOp read(KeyReader& reader);
  static void fillFromShapes(KeyValues& keys, std::span<const std::vector<int64_t>> shapes);
  KeyValues write() const;
  bool dotsOfBytes() const { return a == RoundedTo::Q8 || a == RoundedTo::I8; }
  Result<void> validate() const;
  std::vector<TensorSpec> inputs() const;
  TensorSpec output() const;
  MatmulOp fixed(const DimValues& values) const;
  MatmulOp withRuntimeDims() const;
  /// What `spec`, an operand or C, is as rows and columns: with the axis that vector= leaves out.
  TensorSpec asMatrix(TensorSpec spec) const;
  /// One B for all of the batch: all rows of A, which lie one after the other, are one product's. m is dynamic there where it or batch is.
  /// Nothing where A or an operand of ep lies otherwise, or A broadcasts too.
  std::optional<MatmulOp> asOneProduct() const;
  /// The axes of `own`, of batch, batch_a or batch_b, by name: "one" where it stands still while C goes on.
  std::vector<TensorDim> axesOf(const Shape& own) const;
  int64_t batches() const { return countOf(batch); }
  int64_t batchesOfB() const { return countOf(batchB); }
  bool broadcasts() const { return batchA != batch || batchB != batch; }
  /// What A may arrive as without another bit in C: bf16 or q8 where it is rounded to that, else f32.
  ElementType mayArriveAs() const;
  double flops() const;  ///< 2 m n k batch, plus the epilogue's
  /// With A rounded to bf16: the terms of a product, in the order in which they are added up. Empty: none of its kind.
  std::span<const PieceTerm> terms() const;
  bool inPairs() const { return !terms().empty(); }
  /// Those of A and of B that they are made of.
  int64_t piecesOfA() const;
  int64_t piecesOfB() const;
  /// With order=pairs: all terms but the last are added up by themselves.
  bool smallApart() const { return a == RoundedTo::F32x3; }
  /// Elements of B are taken apart into several bf16, or rounded to one.
  bool splitsWeight() const { return a == RoundedTo::BF16 && w == ElementType::F16; }
  bool roundsWeight() const { return a == RoundedTo::BF16 && isQuantised(w); }
  /// Bf16 are made of B where it is used: it is packed as it is.
  bool makesPieces() const { return splitsWeight() || roundsWeight(); }

private:
  static int64_t countOf(const Shape& axes);
  TensorSpec leading(std::string name, const Shape& own, std::vector<TensorDim> rest) const;
  TensorSpec likeC(std::string name) const;
  Shape shapeOfC() const;
};

}  // namespace quern
