// compiler/schedule/PackLayout.h — how a weight lies in memory once packed: what kernels read and store/WeightPacking writes.
#pragma once

#include "compiler/base/Checked.h"
#include "compiler/base/Keys.h"
#include "compiler/op/BlockFormat.h"

namespace quern {

/// Panels of `panel` columns, the last one padded with zero bytes; in a panel block after block of k; in a block each part for all columns,
/// so that a vector along columns is one load (P = panel; K types and iq4_xs: 256 k a block, other blocks: 32, the others 1):
///
///     columns   0        P        2P  ...   n          in memory, panel after panel:
///            +--------+--------+------+--+
///      k 0   | block  |        |      |00|            panel 0: | block 0 | block 1 | ... |   panel 1: | ...
///            | 0      |        |      |00|
///            +--------+        |      |00|            block 0: | d of columns 0 .. P-1 | word 0 of columns 0 .. P-1 | word 1 ... |
///            | block  |        |      |00|
///      k K   | 1      |        |      |00|            (00: the last panel's columns beyond n)
///            +--------+--------+------+--+
///
///   f32, f16, bf16, i8   values[P]
///   q8_0             d[P] halves, q[32][P] int8
///   q4_0             d[P], nibbles[4][P]: word w of a column holds k = 8 w + i in bits 4 i
///   q4_K             d[P], dmin[P], scales[12][P] bytes, nibbles[32][P] as in q4_0
///   q6_K             d[P], scales[16][P] int8, low[32][P]: nibbles as in q4_0, high[16][P]: word w holds k = 16 w + i in bits 2 i
///
///   the other blocks (op/BlockFormat.h)
///                    d[P], m[P] or dmin[P] where there is one, scales[..][P] bytes, low[..][P]: of 32 elements eight quads, of four bytes
///                    each; quads 2 w and 2 w + 1 hold k = 8 w + 2 j and 8 w + 2 j + 1 in byte j, in the low and the high halves of word w
///                    (nibbles: as in q4_0), or in bits 2 (q % 4) of word q / 4 (pairs); high[..][P]: a word for 32, quad q in bits q
///
/// `words`, for dots of bytes with codes (a=q8, a=i8) and for pairs of bf16: the same parts, words of other neighbours; quad e < 4 of
/// sixteen elements are e, e + 4, e + 8, e + 12, in bytes 0 to 3:
///
///   q8_0             d[P], words[8][P]: quads of elements 0 to 15, then of the others, each byte q + 128
///   q4_0, q4_K       word w of 32 elements: quad w of the first sixteen in the low nibbles of its bytes, of the others in the high ones
///   the other blocks the same parts: quad q of 32 is quad q % 4 of sixteen elements, in word q % 4 of nibbles
///   bf16             words[P]: k even in the low half, the next in the high one, zero beside an odd last
///   f32              for a=f32x3: words[3][P], of the same pair of k first, second, third pieces (op/MatmulOp.h): 6 bytes an element
///   i8               words[4][P] of sixteen k: their quads, each byte q + 128, zero bytes beyond the last k
///   q6_K             low[32][P] as q4_0, two for sixteen; high[16][P]: word h holds sixteen elements, the pairs of quad e in bits 2 e of
///                    its bytes
///
/// A block takes as many bytes as in the file, but for f32 in words, and q3_K and iq4_xs, which have a byte for each scale. Panel
/// p of batch b is at (b panels + p) panelBytes().
struct PackLayout {
  int64_t panel = 0;  ///< 0: not packed
  int64_t depth = 0, columns = 0, batch = 1;
  bool transposed = false;  ///< the source is stored [n,k]
  ElementType type = ElementType::F32;
  bool words = false;

  int64_t panels() const { return panel == 0 ? 0 : ceilDiv(columns, panel); }
  /// Of a column: what two neighbours along k take that share words of pairs; 0: they don't.
  int64_t pairBytes() const { return !words ? 0 : type == ElementType::BF16 ? 4 : type == ElementType::F32 ? 12 : 0; }
  int64_t panelBytes() const {
    if (pairBytes() > 0) return panel * pairBytes() * ceilDiv(depth, 2);
    return panel * (words && type == ElementType::I8 ? roundUp(depth, 16) : packedBytesOf(type, depth));
  }
  int64_t bytes() const { return batch * panels() * panelBytes(); }
  bool operator==(const PackLayout&) const = default;
};

/// "type=q4_0 panel=24 depth=768 columns=3072 batch=1 transposed=1"; parsePackLayout(text(x)) == x.
std::string text(const PackLayout& layout);
/// Errors   BadInput naming the key.
Result<PackLayout> parsePackLayout(std::string_view text);
/// The same keys among others of a line.
PackLayout takePackLayout(KeyReader& reader);

}  // namespace quern
