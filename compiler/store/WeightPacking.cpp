// compiler/store/WeightPacking.cpp — see WeightPacking.h. Blocks are taken apart and put together without a change of their bits.
#include "compiler/store/WeightPacking.h"

#include "compiler/base/Check.h"
#include "compiler/base/Half.h"
#include "compiler/op/BlockValues.h"
#include "compiler/schedule/QuernPack.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace quern {

int packType(ElementType type) {
  switch (type) {
    case ElementType::F16: return QUERN_F16;
    case ElementType::BF16: return QUERN_BF16;
    case ElementType::Q8_0: return QUERN_Q8_0;
    case ElementType::Q4_0: return QUERN_Q4_0;
    case ElementType::Q4_K: return QUERN_Q4_K;
    case ElementType::Q6_K: return QUERN_Q6_K;
    case ElementType::I8: return QUERN_I8;
    case ElementType::Q4_1: return QUERN_Q4_1;
    case ElementType::Q5_0: return QUERN_Q5_0;
    case ElementType::Q5_1: return QUERN_Q5_1;
    case ElementType::Q2_K: return QUERN_Q2_K;
    case ElementType::Q3_K: return QUERN_Q3_K;
    case ElementType::Q5_K: return QUERN_Q5_K;
    case ElementType::IQ4_NL: return QUERN_IQ4_NL;
    case ElementType::IQ4_XS: return QUERN_IQ4_XS;
    case ElementType::MXFP4: return QUERN_MXFP4;
    default: QUERN_CHECK(type == ElementType::F32); return QUERN_F32;
  }
}

namespace {

/// The inverse of quern_pack_block: one block of one column, as it was stored.
class BlockReader {
public:
  BlockReader(int64_t panel, int64_t column, bool words) : panel_(panel), column_(column), words_(words) {}

  void read(ElementType type, const std::byte* block, std::byte* to) {
    at_ = block;
    if (words_ && type == ElementType::BF16) return static_cast<void>(std::memcpy(to, block + column_ * 4, 2));
    if (words_ && type == ElementType::F32) return pieces(block, to);
    if (words_ && type == ElementType::I8) return static_cast<void>(*to = block[column_ * 4] ^ std::byte{0x80});
    if (words_) return readQuads(type, to);
    switch (type) {
      case ElementType::Q8_0:
        take(to, 2);
        for (int k = 0; k < 32; ++k) take(to + 2 + k, 1);
        return;
      case ElementType::Q4_0:
        take(to, 2);
        std::memset(to + 2, 0, 16);
        for (int w = 0; w < 4; ++w) spread(4, 8, [&](int i, uint32_t nibble) { add(to + 2, 8 * (w % 2) + i, nibble << (4 * (w / 2))); });
        return;
      case ElementType::Q4_K:
        take(to, 2);
        take(to + 2, 2);
        for (int i = 0; i < 12; ++i) take(to + 4 + i, 1);
        std::memset(to + 16, 0, 128);
        for (int w = 0; w < 32; ++w)
          spread(4, 8, [&](int i, uint32_t nibble) { add(to + 16, 32 * (w / 8) + 8 * (w % 4) + i, nibble << (4 * (w / 4 % 2))); });
        return;
      case ElementType::Q6_K: return q6K(to);
      default: take(to, formatOf(type).blockBytes);
    }
  }

private:
  void take(std::byte* to, int64_t bytes) {
    std::memcpy(to, at_ + column_ * bytes, static_cast<size_t>(bytes));
    at_ += panel_ * bytes;
  }
  /// The next word's `count` pieces of `bits` bits.
  template <class Body>
  void spread(int bits, int count, const Body& body) {
    uint32_t word = 0;
    take(reinterpret_cast<std::byte*>(&word), 4);
    for (int i = 0; i < count; ++i) body(i, (word >> (bits * i)) & ((1u << bits) - 1));
  }
  /// The sum of three bf16; what is not finite is the third of them.
  void pieces(const std::byte* block, std::byte* to) const {
    float sum = 0;
    for (int i = 0; i < 3; ++i) {
      uint16_t bits = 0;
      std::memcpy(&bits, block + (i * panel_ + column_) * 4, 2);
      float piece = floatOfBfloat(bits);
      sum = std::isfinite(piece) ? sum + piece : piece;
    }
    std::memcpy(to, &sum, 4);
  }
  static void add(std::byte* bytes, int at, uint32_t bits) { bytes[at] |= static_cast<std::byte>(bits); }

  void q6K(std::byte* to) {
    take(to + 208, 2);
    for (int s = 0; s < 16; ++s) take(to + 192 + s, 1);
    std::memset(to, 0, 192);
    auto lowOf = [&](int k, uint32_t bits) { add(to, 64 * (k / 128) + 32 * (k / 32 % 2) + k % 32, bits << (4 * (k / 64 % 2))); };
    auto highOf = [&](int k, uint32_t bits) { add(to + 128, 32 * (k / 128) + k % 32, bits << (2 * (k / 32 % 4))); };
    for (int w = 0; w < 32; ++w) spread(4, 8, [&](int i, uint32_t bits) { lowOf(8 * w + i, bits); });
    for (int w = 0; w < 16; ++w) spread(2, 16, [&](int i, uint32_t bits) { highOf(16 * w + i, bits); });
  }

  uint32_t word() {
    uint32_t bits = 0;
    take(reinterpret_cast<std::byte*>(&bits), 4);
    return bits;
  }
  /// Words of 32 nibbles: element(i, nibble).
  template <class Body>
  void quadsOf32(const Body& element) {
    for (int w = 0; w < 4; ++w)
      for (uint32_t bits = word(), byte = 0; byte < 4; ++byte)
        for (int side = 0; side < 2; ++side) element(16 * side + static_cast<int>(4 * byte) + w, (bits >> (8 * byte + 4 * side)) & 15);
  }
  void readQuads(ElementType type, std::byte* to) {
    std::memset(to, 0, static_cast<size_t>(formatOf(type).blockBytes));
    take(type == ElementType::Q6_K ? to + 208 : to, 2);
    switch (type) {
      case ElementType::Q8_0:
        for (int w = 0; w < 8; ++w)
          for (uint32_t bits = word(), byte = 0; byte < 4; ++byte)
            add(to + 2, 16 * (w / 4) + static_cast<int>(4 * byte) + w % 4, ((bits >> (8 * byte)) & 0xff) ^ 0x80);
        return;
      case ElementType::Q4_0: return quadsOf32([&](int i, uint32_t nibble) { add(to + 2, i % 16, nibble << (4 * (i / 16))); });
      case ElementType::Q4_K:
        take(to + 2, 2);
        for (int i = 0; i < 12; ++i) take(to + 4 + i, 1);
        for (int s = 0; s < 8; ++s) quadsOf32([&](int i, uint32_t nibble) { add(to + 16, 32 * (s / 2) + i, nibble << (4 * (s % 2))); });
        return;
      default: return sixthQuads(to);
    }
  }
  void sixthQuads(std::byte* to) {
    for (int s = 0; s < 16; ++s) take(to + 192 + s, 1);
    for (int s = 0; s < 8; ++s)
      quadsOf32([&](int i, uint32_t bits) {
        int k = 32 * s + i;
        add(to, 64 * (k / 128) + 32 * (k / 32 % 2) + k % 32, bits << (4 * (k / 64 % 2)));
      });
    for (int h = 0; h < 16; ++h)
      for (uint32_t bits = word(), i = 0; i < 16; ++i) {
        int k = 16 * h + static_cast<int>(i);
        add(to + 128, 32 * (k / 128) + k % 32, ((bits >> (8 * (i / 4) + 2 * (i % 4))) & 3) << (2 * (k / 32 % 4)));
      }
  }

  int64_t panel_, column_;
  bool words_;
  const std::byte* at_ = nullptr;
};

/// A block of one of the types that quern_pack_parts packs.
WholeBlock unpacked(const PackLayout& layout, const std::byte* block, int64_t column) {
  const BlockFormat& format = blockFormatOf(layout.type);
  auto at = [&](int64_t offset, int64_t bytes) { return block + offset * layout.panel + column * bytes; };
  auto half = [&](int64_t offset) {
    uint16_t bits = 0;
    std::memcpy(&bits, at(offset, 2), 2);
    return floatOfHalf(bits);
  };
  WholeBlock whole;
  whole.each = format.each;
  whole.d = format.power ? powerOfByte(static_cast<int>(*at(0, 1))) : half(0);
  if (format.minima != Minima::None) whole.dmin = format.minima == Minima::Added ? -half(2) : half(2);
  int64_t depth = formatOf(layout.type).block;
  auto byte = [&](int s) { return static_cast<int>(*at(format.headBytes() + s, 1)); };
  for (int s = 0; s < depth / format.each; ++s) {
    whole.scale[s] = 1, whole.least[s] = format.minima == Minima::Added ? 1 : 0;
    if (format.scales == SubScales::Signed) whole.scale[s] = static_cast<int8_t>(byte(s));
    if (format.scales == SubScales::Nibbles) whole.scale[s] = byte(s) & 15, whole.least[s] = byte(s) >> 4;
    if (format.scales != SubScales::SixBits) continue;
    whole.scale[s] = s < 4 ? byte(s) & 63 : (byte(4 + s) & 15) | (byte(s - 4) >> 6 << 4);
    whole.least[s] = s < 4 ? byte(4 + s) & 63 : (byte(4 + s) >> 4) | (byte(s) >> 6 << 4);
  }
  auto bits = [&](int64_t offset, int shift, int count) {
    uint32_t word = 0;
    std::memcpy(&word, at(offset, 4), 4);
    return static_cast<int>((word >> shift) & ((1u << count) - 1));
  };
  int words = layout.words ? 1 : 0;
  for (int k = 0; k < depth; ++k) {
    int quad = quern_quad_of(words, k % 32), shift = 8 * quern_byte_of(words, k % 32), part = k / 32, code = 0;
    int64_t low = format.lowAt() + part * (4 * format.low);
    if (format.low == 2) code = bits(low + quad / 4 * 4, shift + 2 * (quad % 4), 2);
    else code = bits(low + 4 * (words != 0 ? quad % 4 : quad / 2), shift + 4 * (words != 0 ? quad / 4 : quad % 2), 4);
    if (format.high == 1) code |= bits(format.highAt() + part * 4, shift + quad, 1) << format.low;
    whole.q[k] = format.table != nullptr ? (*format.table)[static_cast<size_t>(code)] : code - format.bias;
  }
  return whole;
}

/// A column of a panel from a stored row of k elements: blocks that are single elements are copied as such.
template <class T>
void copyColumn(const std::byte* row, int64_t depth, int64_t panel, int64_t column, std::byte* to) {
  for (int64_t k = 0; k < depth; ++k)
    std::memcpy(to + (k * panel + column) * static_cast<int64_t>(sizeof(T)), row + k * static_cast<int64_t>(sizeof(T)), sizeof(T));
}

/// Single elements of which several share a word.
bool sharesWords(const PackLayout& layout) { return layout.words && !isQuantised(layout.type); }

/// A column of such; `step`: bytes from one of its elements to the next. What lies beyond the last one is zero already.
void wordColumn(const PackLayout& layout, const std::byte* first, int64_t step, int64_t column, std::byte* panel) {
  int type = packType(layout.type);
  for (int64_t k = 0; k < layout.depth; ++k)
    quern_pack_block(type, 1, first + k * step, panel + quern_block_offset(type, 1, layout.panel, k), layout.panel, column);
}

void packColumn(const PackLayout& layout, const std::byte* row, int64_t column, std::byte* panel) {
  const ElementFormat& format = formatOf(layout.type);
  if (sharesWords(layout)) return wordColumn(layout, row, format.blockBytes, column, panel);
  if (format.blockBytes == 4) return copyColumn<uint32_t>(row, layout.depth, layout.panel, column, panel);
  if (format.blockBytes == 2) return copyColumn<uint16_t>(row, layout.depth, layout.panel, column, panel);
  int type = packType(layout.type);
  for (int64_t b = 0; b < layout.depth / format.block; ++b)
    quern_pack_block(type, layout.words ? 1 : 0, row + b * format.blockBytes,
                     panel + packedBytesOf(layout.type, b * format.block) * layout.panel, layout.panel, column);
}

}  // namespace

void packPanels(const PackLayout& layout, std::span<const WeightPiece> pieces, int64_t begin, int64_t end, std::byte* packed) {
  int64_t each = formatOf(layout.type).blockBytes;
  for (int64_t p = begin; p < end; ++p) {
    std::byte* panel = packed + p * layout.panelBytes();
    int64_t first = p * layout.panel, columns = std::min(layout.panel, layout.columns - first);
    bool shared = sharesWords(layout);
    if (columns < layout.panel || (shared && layout.panelBytes() != layout.panel * bytesOf(layout.type, layout.depth)))
      std::memset(panel, 0, static_cast<size_t>(layout.panelBytes()));
    if (!layout.transposed) {
      QUERN_CHECK(pieces.size() == 1 && !isQuantised(layout.type));
      if (shared)
        for (int64_t c = 0; c < columns; ++c) wordColumn(layout, pieces[0].data + (first + c) * each, pieces[0].rowBytes, c, panel);
      for (int64_t k = 0; !shared && k < layout.depth; ++k)
        std::memcpy(panel + k * layout.panel * each, pieces[0].data + k * pieces[0].rowBytes + first * each,
                    static_cast<size_t>(columns * each));
      continue;
    }
    // Along the source's rows: the panel stays in cache, the source is read once, in order.
    for (int64_t c = 0; c < columns; ++c) {
      int64_t n = first + c;
      const WeightPiece* piece = pieces.data();
      for (; n >= piece->columns; ++piece) n -= piece->columns;
      packColumn(layout, piece->data + n * piece->rowBytes, c, panel);
    }
  }
}

void packedColumn(const PackLayout& layout, const std::byte* packed, int64_t n, float* values) {
  constexpr int64_t kMostBlockBytes = 256;
  const ElementFormat& format = formatOf(layout.type);
  std::byte block[kMostBlockBytes];
  BlockReader reader(layout.panel, n % layout.panel, layout.words);
  bool inParts = isQuantised(layout.type) && !blockFormatOf(layout.type).ownLoops;
  const std::byte* panel = packed + n / layout.panel * layout.panelBytes();
  for (int64_t b = 0; b < layout.depth / format.block; ++b) {
    const std::byte* from = panel + quern_block_offset(packType(layout.type), layout.words ? 1 : 0, layout.panel, b);
    if (inParts) {
      blockValues(layout.type, unpacked(layout, from, n % layout.panel), values + b * format.block);
      continue;
    }
    reader.read(layout.type, from, block);
    rowValues(layout.type, block, format.block, values + b * format.block);
  }
}

bool packWeight(const PackLayout& layout, const void* source, void* packed, const Stop& stop) {
  constexpr int64_t kPieceBytes = int64_t{1} << 24;  // some milliseconds
  int64_t row = bytesOf(layout.type, layout.transposed ? layout.depth : layout.columns),
          rows = layout.transposed ? layout.columns : layout.depth;
  int64_t atOnce = std::max<int64_t>(1, kPieceBytes / std::max<int64_t>(1, layout.panelBytes()));
  for (int64_t b = 0; b < layout.batch; ++b) {
    WeightPiece piece{static_cast<const std::byte*>(source) + b * rows * row, layout.columns, row};
    std::byte* to = static_cast<std::byte*>(packed) + b * layout.panels() * layout.panelBytes();
    for (int64_t p = 0; p < layout.panels(); p += atOnce) {
      if (stop.asked()) return false;
      packPanels(layout, std::span(&piece, 1), p, std::min(layout.panels(), p + atOnce), to);
    }
  }
  return true;
}

}  // namespace quern
