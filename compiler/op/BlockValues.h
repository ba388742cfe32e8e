// compiler/op/BlockValues.h — the numbers that stored weights stand for: what kernels, references and table look-ups agree on.
#pragma once

#include "compiler/op/ElementType.h"

#include <cstddef>

namespace quern {

/// `elements` values (whole blocks) of a stored row as f32, rounded where they are larger numbers.
void rowValues(ElementType type, const std::byte* row, int64_t elements, float* values);

/// A quantised block in whole numbers: value i is d scale[i / each] q[i] - dmin least[i / each]. A minimum that is added is its own
/// negative here, of least 1.
struct WholeBlock {
  int each = 32;  ///< elements of a sub-block: 32, or 16 (q2_K, q3_K, q6_K)
  float d = 0, dmin = 0;
  int q[256], scale[16], least[16];
};
/// `block`: formatOf(type).blockBytes of one of blockFormats().
WholeBlock wholeBlock(ElementType type, const std::byte* block);
/// Its formatOf(type).block values, each product exact.
void blockValues(ElementType type, const WholeBlock& whole, float* values);
/// 2^(e - 128), of a byte e: mxfp4's d.
float powerOfByte(int e);

/// What A is rounded to with a=q8, 32 neighbours along k: x is about scale codes[i].
///
///   NaN or Inf among them   scale NaN, codes 0
///   amax < 2^-120           scale 0, codes 0
///   else                    scale = amax 0x1.020408p-7f (1/127, rounded), codes = nearest even of x (127 / amax)
struct CodedBlock {
  static constexpr int kElements = 32;
  static constexpr float kLeast = 0x1p-120F, kPart = 0x1.020408p-7F;
  static constexpr float kBeyondHalf = 65520;  ///< the least number that no half is near
  float scale = 0;
  int codes[kElements];
};
CodedBlock codedBlock(const float* x);
/// As an element of type q8 has it: its words, and codes two ways.
struct CodedWords {
  static constexpr int kScale = 0, kMinusSum = 1, kFirstSums = 2, kCodes = 8, kWords = 16;
  /// Where -bias times the sum is that dots of bytes larger by `bias` start from: 8, 128, or 32 of each sixteen (two words). 16, and 4 of
  /// each sixteen, are an eighth of such.
  static constexpr int sumsFor(int bias) { return bias == 0 ? kMinusSum : bias == 8 ? kFirstSums : bias == 128 || bias == 16 ? 3 : 4; }
  static constexpr int shiftFor(int bias) { return bias == 16 || bias == 4 ? 3 : 0; }
};
/// `to`: 64 bytes.
void storeCoded(const CodedBlock& block, std::byte* to);
/// Errors are not looked for: any 64 bytes are a block. `consistent`: whether its sums are those of its codes.
CodedBlock loadCoded(const std::byte* from, bool* consistent = nullptr);
/// The same of the `elements` of a row together, with a=i8: its scale, and their codes.
float codedRow(const float* x, int64_t elements, int* codes);

/// The block of q8_0 that kernels make of 32 numbers (cast, rope to=q8_0); d = the scale of codedBlock, rounded to a half.
///
///   NaN or Inf among them, or d beyond halves (amax / 127 from 65520 on)   d NaN: all 32 are NaN
///   else                                                                  the codes of codedBlock: x (127 / amax), d before it is rounded
///
/// |error| <= amax (1/254 + 2^-11) + 127 2^-25: half a step, what rounding d moves the largest code by, and d where halves are denormal.
void keptBlock(const float* x, std::byte* block);

}  // namespace quern
