// compiler/op/MatmulOp.h — what a matmul computes. How it runs: schedule/MatmulSchedule.h.
#pragma once

#include "compiler/op/OpCommon.h"
#include "compiler/op/ScalarExpr.h"

namespace quern {

/// C[b,m,n] = ep( sum over k of A[b,m,k] * B[b,k,n] ), with the leading b where batch is said
///
/// Shapes   m, n, k >= 0, no multiple required; every one and batch may be dynamic, except n, k and batch of a weight (const=b).
/// Layout   row-major with leading strides in elements. ta: A is stored [k,m]; tb: B is stored [n,k]. w: the type of a weight, whose
///          blocks lie along k (ElementType.h).
/// Operands A, B, (scales if a=i8: f32 [n], with batch in front), (C if acc), then the operands of ep as they appear: bias [n], residual
///          [m,n] (with batch in front), any other name with the shape its own key gives, broadcast to the output's.
/// Numeric  order=seq: one FMA chain over ascending k from +0 (from C with acc). |error| <= (k + 2) u S,
///          S = sum|a||b| + |bias| + |residual| + |C|, u = 2^-24.
///          a=q8: A in codes and scales sa, of a weight d (q - least) the dots D of a (sub-)block in whole numbers, exactly:
///            q8_0, q4_0   acc = fma(float(D), sa d, acc)
///            q4_K         acc = fma(float(D), sa (d scale), acc), then fma(-float(sum of codes), sa (dmin least), acc)
///            q6_K         D = scale0 D0 + scale1 D1, then as q8_0
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
///          maths=common: the functions of ep in the one form that all levels with fma have; without, in the level's quickest.
/// Errors   validate(): BadCommand naming the field.
/// Source   Higham, Accuracy and Stability of Numerical Algorithms, ch. 3.
struct MatmulOp {
  static constexpr std::string_view kName = "matmul";
  static constexpr OpClass kClass = OpClass::Contraction;
  static constexpr std::string_view kScales = "scales";  ///< the operand behind B with a=i8
  static constexpr int64_t kMostWholeDepth = 131072;     ///< k of a=i8

  Dim m, n, k, batch{1};
  bool batched = false;  ///< arrays have the leading axis, of whatever length
  bool ta = false, tb = false, constB = false, acc = false;
  ElementType w = ElementType::F32;                          ///< of a weight's elements; its products are of the f32 that they stand for
  RoundedTo a = RoundedTo::F32;                              ///< A as it is multiplied
  PairOrder order = PairOrder::Tile32;                       ///< of a=bf16
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
  double flops() const;  ///< 2 m n k batch, plus the epilogue's
};

}  // namespace quern
