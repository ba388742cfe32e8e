// compiler/op/ElementType.h — what the elements of a tensor are in memory, blocks of quantised weights included.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace quern {

/// The quantised types are GGUF's. A block is so many neighbouring elements of a row in so many bytes, little-endian; d is a half.
///
///   q8_0  d, 32 int8 q              value d q
///   q4_0  d, 16 bytes: element i in the low nibble of byte i, element 16 + i in its high one   value d (q - 8)
///   q4_K  d, dmin, 12 bytes of 8 scales and 8 minima of 6 bits, 128 bytes of nibbles: 8 sub-blocks of 32 elements, 2 s and 2 s + 1 in
///         the low and high nibbles of bytes 32 s ...; scales: sub-block j < 4 has the low 6 bits of byte j and, for the minimum, of byte
///         4 + j; j >= 4 has the nibbles of byte 4 + j, with the top 2 bits of bytes j - 4 and j above them
///                                   value (d scale) q - (dmin minimum), rounded once
///   q6_K  128 bytes of low nibbles, 64 bytes of upper pairs of bits, 16 int8 scales, d: halves of 128 elements; element 32 g + i of a half
///         has the nibble of byte 32 (g % 2) + i (low for g < 2) and bits 2 g, 2 g + 1 of byte i   value d scale (q - 32)
///
///   q4_1  d, m, 16 bytes of nibbles as q4_0                              value d q + m, rounded once
///   q5_0  d, 4 bytes: bit i is the fifth of element i, 16 bytes of nibbles as q4_0   value d (q - 16)
///   q5_1  d, m, fifth bits and nibbles as q5_0                           value d q + m, rounded once
///   q5_K  d, dmin, 12 bytes as q4_K, 32 bytes: bit s of byte i is the fifth of element 32 s + i, 128 bytes of nibbles as q4_K
///                                   value (d scale) q - (dmin minimum), rounded once
///   q2_K  16 bytes: scale in the low nibble, minimum in the high one, of 16 elements each; 64 bytes of pairs of bits, d, dmin: element
///         128 h + 32 g + i has bits 2 g, 2 g + 1 of byte 32 h + i   value (d scale) q - (dmin minimum), rounded once
///   q3_K  32 bytes: bit s of byte i is the third of element 32 s + i, 64 bytes of pairs as q2_K, 12 bytes of 16 scales, d; of scale j the
///         low four bits are a nibble of byte j % 8, the low one for j < 8, the upper two bits 2 (j / 4), 2 (j / 4) + 1 of byte 8 + j % 4
///                                   value d (scale - 32) (q - 4)
///   iq4_nl  d, 16 bytes of nibbles as q4_0          value d t(q), t: BlockFormat.cpp
///   iq4_xs  d, 2 bytes: bits 2 s, 2 s + 1 are the upper two of scale s, 4 bytes of their low nibbles, 128 bytes: 16 for each 32
///           elements, as q4_0       value d (scale - 32) t(q)
///   mxfp4   e, 16 bytes of nibbles as q4_0          value 2^(e - 128) t(q)
///
/// Every value is an f32: only the sums of those with minima round.
///
/// q8 is what rows are handed on as from one op to a product with a=q8 (BlockValues.h, CodedBlock): 32 codes, their scale and their sums,
/// in the multiples that dots of bytes start from. 64 bytes, S the sum of all codes, S0 and S1 of the first and the last sixteen:
///
///   f32 scale, f32 -S, i32 -8 S, i32 -128 S, i32 -32 S0, i32 -32 S1, 8 bytes of 0, 32 int8: byte 16 s + 4 e + j is the code of element
///   16 s + e + 4 j                  value scale code
/// A bool is a byte: 0, or anything else for true; kernels write 1.
enum class ElementType : uint8_t {
  F32,
  I32,
  F16,
  BF16,
  Q8_0,
  Q4_0,
  Q4_K,
  Q6_K,
  I8,
  U8,
  I16,
  U16,
  F64,
  Q8,
  I64,
  Bool,
  U32,
  U64,
  Q4_1,
  Q5_0,
  Q5_1,
  Q2_K,
  Q3_K,
  Q5_K,
  IQ4_NL,
  IQ4_XS,
  MXFP4
};

struct ElementFormat {
  std::string_view name;
  int64_t block = 1;  ///< elements that are stored together
  int64_t blockBytes = 4;
};
const ElementFormat& formatOf(ElementType type);
std::string_view text(ElementType type);
std::optional<ElementType> elementTypeNamed(std::string_view name);
/// Names of all, in order.
std::span<const std::string_view> elementTypeNames();

/// Of `elements` elements, whole blocks.
int64_t bytesOf(ElementType type, int64_t elements);
inline bool isQuantised(ElementType type) { return formatOf(type).block > 1; }
/// Whole numbers, bool among them.
bool isWhole(ElementType type);

}  // namespace quern
