// compiler/op/BlockFormat.h — what the blocks of quantised weights are made of: one row a type, which readers of files, packing, kernels,
// schedules, checks and drawn inputs follow.
#pragma once

#include "compiler/op/ElementType.h"

#include <array>
#include <string>

namespace quern {

/// What is added to scale times q in each (sub-)block.
enum class Minima : uint8_t {
  None,
  Subtracted,  ///< - dmin minimum
  Added,       ///< + m
};

/// Scales of sub-blocks, and their minima, as they lie packed.
enum class SubScales : uint8_t {
  None,     ///< a block has d alone
  SixBits,  ///< 12 bytes: 8 scales and 8 minima of six bits, as q4_K has them in files
  Signed,   ///< an int8 each
  Nibbles,  ///< a byte each, the scale in the low half, the minimum in the high one
};

/// Codes of four bits that stand for a number each.
using CodeTable = std::array<int8_t, 16>;

/// Value i is d scale q[i] (- dmin minimum, + m): q is code - bias, or what the code stands for.
struct BlockFormat {
  ElementType type;
  int each;       ///< elements that share a scale: 32 or 16
  int low, high;  ///< bits of a code: those of its own words (8, 4, 2), and those above them, which lie apart (0, 1, 2)
  int bias;
  Minima minima;
  SubScales scales;
  const CodeTable* table;
  bool power;     ///< d is a byte e for 2^(e - 128); else a half
  bool ownLoops;  ///< kernels read it by loops of its own, of a layout that was there first; else by those for any row of this table

  // Of a column's block, packed, in this order (schedule/PackLayout.h):
  int64_t headBytes() const { return (power ? 1 : 2) + (minima == Minima::None ? 0 : 2); }
  int64_t scaleBytes() const;
  int64_t lowAt() const { return headBytes() + scaleBytes(); }
  int64_t highAt() const { return lowAt() + formatOf(type).block * low / 8; }
  int64_t packedBytes() const { return highAt() + formatOf(type).block * high / 8; }
  /// Fits what dots of bytes multiply into seven bits without a sign?
  bool smallBytes() const { return low < 8 && (table == nullptr || power); }
};

/// Of a quantised type that weights have.
const BlockFormat& blockFormatOf(ElementType type);
/// Of all, as they are listed to people.
std::span<const BlockFormat> blockFormats();
/// "q8_0, q4_0, q4_K, ...".
std::string blockFormatNames();

/// Of so many elements of a weight of any type, packed: whole blocks.
int64_t packedBytesOf(ElementType type, int64_t elements);

}  // namespace quern
