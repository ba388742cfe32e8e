/* compiler/schedule/QuernPack.h — how a weight is packed for the kernels that read it. Plain C; shipped with every bundle. */
#ifndef QUERN_PACK_H
#define QUERN_PACK_H

#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What a weight's elements are; the blocks of the quantised ones are GGUF's. */
enum {
  QUERN_F32, QUERN_F16, QUERN_BF16, QUERN_Q8_0, QUERN_Q4_0, QUERN_Q4_K, QUERN_Q6_K, QUERN_I8, QUERN_Q4_1,
  QUERN_Q5_0, QUERN_Q5_1, QUERN_Q2_K, QUERN_Q3_K, QUERN_Q5_K, QUERN_IQ4_NL, QUERN_IQ4_XS, QUERN_MXFP4
};

/* A buffer line's panel=, depth=, columns=, batch=, transposed=, type= and words=.
 *
 *   packed        batch x panels of `panel` columns, the last panel filled up with zero bytes
 *   a panel       block after block along depth
 *   a block       each of its parts for all columns of the panel: a vector along columns is one load
 *
 *   depth 0   | part 0: column 0, 1, ... panel-1 | part 1: column 0, 1, ... panel-1 | ...
 *   depth 1   | part 0: ...                                     (K types and iq4_xs: 256 of depth a block; other q types: 32; others: 1)
 */
typedef struct QuernPack {
  int64_t panel, depth, columns, batch;
  int transposed; /* the source is stored [columns, depth] */
  int type;
  int words; /* for kernels of a=q8, a=i8, a=bf16 and a=f32x3: see below */
} QuernPack;

static inline int64_t quern_block_depth(int type) {
  static const short depths[] = {1, 1, 1, 32, 32, 256, 256, 1, 32, 32, 32, 256, 256, 256, 32, 256, 32};
  return depths[type];
}
/* As it is stored, and packed: there q3_K and iq4_xs have a byte for each scale. */
static inline int64_t quern_block_bytes(int type) {
  static const unsigned char bytes[] = {4, 2, 2, 34, 18, 144, 210, 1, 20, 22, 24, 84, 110, 176, 18, 136, 17};
  return bytes[type];
}
static inline int64_t quern_packed_block_bytes(int type) {
  return type == QUERN_Q3_K ? 114 : type == QUERN_IQ4_XS ? 138 : quern_block_bytes(type);
}
/* Of a column: what two neighbours along depth take that share words; 0: they don't. */
static inline int64_t quern_pair_bytes(int type, int words) { return !words ? 0 : type == QUERN_BF16 ? 4 : type == QUERN_F32 ? 12 : 0; }
static inline int64_t quern_panel_bytes(const QuernPack* pack) {
  int64_t pair = quern_pair_bytes(pack->type, pack->words);
  if (pair > 0) return pack->panel * pair * ((pack->depth + 1) / 2);
  if (pack->words && pack->type == QUERN_I8) return pack->panel * 16 * ((pack->depth + 15) / 16);
  return pack->panel * (pack->depth / quern_block_depth(pack->type)) * quern_packed_block_bytes(pack->type);
}
static inline int64_t quern_packed_bytes(const QuernPack* pack) {
  return pack->batch * ((pack->columns + pack->panel - 1) / pack->panel) * quern_panel_bytes(pack);
}

/* Puts one part of one column in its place and returns where the next part of the column goes. */
static inline unsigned char* quern_put_part(unsigned char* at, int64_t panel, int64_t column, const void* part, int64_t bytes) {
  memcpy(at + column * bytes, part, (size_t)bytes);
  return at + panel * bytes;
}

/* q4_0: the half d, then nibbles[4]: word w holds element 8 w + i in bits 4 i. */
static inline void quern_pack_q4_0(const unsigned char* from, unsigned char* at, int64_t panel, int64_t column) {
  uint32_t words[4] = {0, 0, 0, 0};
  for (int i = 0; i < 16; ++i) {
    words[i / 8] |= (uint32_t)(from[2 + i] & 15) << (4 * (i % 8));
    words[2 + i / 8] |= (uint32_t)(from[2 + i] >> 4) << (4 * (i % 8));
  }
  at = quern_put_part(at, panel, column, from, 2);
  for (int w = 0; w < 4; ++w) at = quern_put_part(at, panel, column, &words[w], 4);
}

/* q4_K: d, dmin, scales[12] bytes, nibbles[32] as in q4_0. */
static inline void quern_pack_q4_k(const unsigned char* from, unsigned char* at, int64_t panel, int64_t column) {
  at = quern_put_part(at, panel, column, from, 2);
  at = quern_put_part(at, panel, column, from + 2, 2);
  for (int i = 0; i < 12; ++i) at = quern_put_part(at, panel, column, from + 4 + i, 1);
  for (int s = 0; s < 8; ++s) /* sub-blocks of 32: low nibbles of 32 bytes, then the high ones of the same */
    for (int w = 0; w < 4; ++w) {
      uint32_t word = 0;
      for (int i = 0; i < 8; ++i) word |= (uint32_t)((from[16 + 32 * (s / 2) + 8 * w + i] >> (4 * (s % 2))) & 15) << (4 * i);
      at = quern_put_part(at, panel, column, &word, 4);
    }
}

/* q6_K: d, scales[16] int8, low[32]: nibbles as in q4_0, high[16]: word w holds the two bits of element 16 w + i in bits 2 i. */
static inline void quern_pack_q6_k(const unsigned char* from, unsigned char* at, int64_t panel, int64_t column) {
  const unsigned char* high = from + 128;
  at = quern_put_part(at, panel, column, from + 208, 2);
  for (int s = 0; s < 16; ++s) at = quern_put_part(at, panel, column, from + 192 + s, 1);
  for (int w = 0; w < 32; ++w) {
    uint32_t word = 0;
    for (int i = 0; i < 8; ++i) {
      int k = 8 * w + i;
      word |= (uint32_t)((from[64 * (k / 128) + 32 * (k / 32 % 2) + k % 32] >> (4 * (k / 64 % 2))) & 15) << (4 * i);
    }
    at = quern_put_part(at, panel, column, &word, 4);
  }
  for (int w = 0; w < 16; ++w) {
    uint32_t word = 0;
    for (int i = 0; i < 16; ++i) {
      int k = 16 * w + i;
      word |= (uint32_t)((high[32 * (k / 128) + k % 32] >> (2 * (k / 32 % 4))) & 3) << (2 * i);
    }
    at = quern_put_part(at, panel, column, &word, 4);
  }
}

/* With words=1: a word of a column holds four of sixteen elements e, e + 4, e + 8, e + 12 in its bytes, lowest first (a quad).
 *   q8_0         d, then words[8]: quads 0 to 3 of the first sixteen, of the others, each byte q + 128
 *   q4_0, q4_K   words of 32: quad e of the first sixteen in the low nibbles of word e, of the others in the high ones
 *   q6_K         low[32] so; high[16]: the pairs of bits of quad e in bits 2 e of each byte, a word for sixteen
 *   bf16         words[(depth + 1) / 2]: element 2 i in the low half, 2 i + 1 in the high one
 *   f32          words[3] for elements 2 i and 2 i + 1 so: of both the first, the second, the third of three bf16 whose sum they are
 *   i8           words[4] for each sixteen of depth: their quads, each byte q + 128, zero bytes beyond the last */
/* Where element i of sixteen lies among four quads: quad i % 4, byte i / 4. */
static inline int quern_quad_shift(int i) { return 8 * (i / 4); }

/* Quads of 32 nibbles: element(i) < 16 as words[4]. */
static inline unsigned char* quern_put_quads(unsigned char* at, int64_t panel, int64_t column, const unsigned char* elements) {
  uint32_t words[4] = {0, 0, 0, 0};
  for (int i = 0; i < 32; ++i) words[i % 4] |= (uint32_t)(elements[i] & 15) << (quern_quad_shift(i % 16) + 4 * (i / 16));
  for (int w = 0; w < 4; ++w) at = quern_put_part(at, panel, column, &words[w], 4);
  return at;
}

/* One block of one column in quads: the same parts. */
static inline void quern_pack_quads(int type, const unsigned char* from, unsigned char* at, int64_t panel, int64_t column) {
  unsigned char elements[256];
  if (type == QUERN_Q8_0) {
    uint32_t words[8] = {0, 0, 0, 0, 0, 0, 0, 0};
    at = quern_put_part(at, panel, column, from, 2);
    for (int i = 0; i < 32; ++i) words[4 * (i / 16) + i % 4] |= (uint32_t)(from[2 + i] ^ 0x80) << quern_quad_shift(i % 16);
    for (int w = 0; w < 8; ++w) at = quern_put_part(at, panel, column, &words[w], 4);
    return;
  }
  if (type == QUERN_Q4_0) {
    for (int i = 0; i < 32; ++i) elements[i] = (unsigned char)(from[2 + i % 16] >> (i < 16 ? 0 : 4));
    at = quern_put_part(at, panel, column, from, 2);
    quern_put_quads(at, panel, column, elements);
    return;
  }
  if (type == QUERN_Q4_K) {
    at = quern_put_part(at, panel, column, from, 2);
    at = quern_put_part(at, panel, column, from + 2, 2);
    for (int i = 0; i < 12; ++i) at = quern_put_part(at, panel, column, from + 4 + i, 1);
    for (int i = 0; i < 256; ++i) elements[i] = (unsigned char)(from[16 + 32 * (i / 64) + i % 32] >> (4 * (i / 32 % 2)));
    for (int s = 0; s < 8; ++s) at = quern_put_quads(at, panel, column, elements + 32 * s);
    return;
  }
  at = quern_put_part(at, panel, column, from + 208, 2);
  for (int s = 0; s < 16; ++s) at = quern_put_part(at, panel, column, from + 192 + s, 1);
  for (int i = 0; i < 256; ++i) elements[i] = (unsigned char)(from[64 * (i / 128) + 32 * (i / 32 % 2) + i % 32] >> (4 * (i / 64 % 2)));
  for (int s = 0; s < 8; ++s) at = quern_put_quads(at, panel, column, elements + 32 * s);
  for (int h = 0; h < 16; ++h) {
    uint32_t word = 0;
    for (int i = 0; i < 16; ++i) {
      int k = 16 * h + i;
      uint32_t pair = (uint32_t)(from[128 + 32 * (k / 128) + k % 32] >> (2 * (k / 32 % 4))) & 3;
      word |= pair << (quern_quad_shift(i) + 2 * (i % 4));
    }
    at = quern_put_part(at, panel, column, &word, 4);
  }
}

/* The other types are taken apart first: d, and m or dmin where there is one (`head`), a byte for each scale (q5_K: 12 as q4_K; q2_K: scale
 * and minimum), then codes. `low` bits of a code lie in words of their own, the `high` one above them in others behind those. */
typedef struct QuernParts {
  unsigned char head[4], scales[16], codes[256];
  int head_parts, head_bytes, scale_bytes, low, high;
} QuernParts;

static inline void quern_parts_of_32(int type, const unsigned char* from, QuernParts* parts) {
  const unsigned char *fifth, *low;
  int added = type == QUERN_Q4_1 || type == QUERN_Q5_1;
  parts->high = type == QUERN_Q5_0 || type == QUERN_Q5_1;
  parts->low = 4;
  parts->head_parts = added ? 2 : 1;
  parts->head_bytes = type == QUERN_MXFP4 ? 1 : 2;
  parts->scale_bytes = 0;
  memcpy(parts->head, from, (size_t)(parts->head_parts * parts->head_bytes));
  fifth = from + parts->head_parts * parts->head_bytes;
  low = fifth + (parts->high ? 4 : 0);
  for (int i = 0; i < 32; ++i) {
    int code = (low[i % 16] >> (4 * (i / 16))) & 15;
    if (parts->high) code |= ((fifth[i / 8] >> (i % 8)) & 1) << 4;
    parts->codes[i] = (unsigned char)code;
  }
}

/* q2_K, q3_K: pairs of bits; q3_K's third is above them. */
static inline void quern_parts_of_pairs(int type, const unsigned char* from, QuernParts* parts) {
  const unsigned char *low = from + (type == QUERN_Q2_K ? 16 : 32), *scales = from + (type == QUERN_Q2_K ? 0 : 96);
  parts->low = 2;
  parts->high = type == QUERN_Q3_K;
  parts->head_parts = type == QUERN_Q2_K ? 2 : 1;
  parts->head_bytes = 2;
  parts->scale_bytes = 16;
  memcpy(parts->head, from + (type == QUERN_Q2_K ? 80 : 108), (size_t)(2 * parts->head_parts));
  for (int s = 0; s < 16; ++s) {
    int six = ((scales[s % 8] >> (4 * (s / 8))) & 15) | ((scales[8 + s % 4] >> (2 * (s / 4))) & 3) << 4;
    parts->scales[s] = type == QUERN_Q2_K ? scales[s] : (unsigned char)(six - 32);
  }
  for (int i = 0; i < 256; ++i) {
    int code = (low[32 * (i / 128) + i % 32] >> (2 * (i / 32 % 4))) & 3;
    if (parts->high) code |= ((from[i % 32] >> (i / 32)) & 1) << 2;
    parts->codes[i] = (unsigned char)code;
  }
}

static inline void quern_parts_of(int type, const unsigned char* from, QuernParts* parts) {
  if (quern_block_depth(type) == 32) {
    quern_parts_of_32(type, from, parts);
    return;
  }
  if (type == QUERN_Q2_K || type == QUERN_Q3_K) {
    quern_parts_of_pairs(type, from, parts);
    return;
  }
  parts->low = 4;
  parts->high = type == QUERN_Q5_K;
  parts->head_parts = type == QUERN_Q5_K ? 2 : 1;
  parts->head_bytes = 2;
  parts->scale_bytes = type == QUERN_Q5_K ? 12 : 8;
  memcpy(parts->head, from, 4);
  for (int s = 0; type == QUERN_Q5_K && s < 12; ++s) parts->scales[s] = from[4 + s];
  for (int s = 0; type == QUERN_IQ4_XS && s < 8; ++s)
    parts->scales[s] = (unsigned char)((((from[4 + s / 2] >> (4 * (s % 2))) & 15) | ((from[2 + s / 4] >> (2 * (s % 4))) & 3) << 4) - 32);
  for (int i = 0; i < 256; ++i) {
    int at = parts->high ? 48 + 32 * (i / 64) + i % 32 : 8 + 16 * (i / 32) + i % 16, shift = parts->high ? i / 32 % 2 : i / 16 % 2;
    int code = (from[at] >> (4 * shift)) & 15;
    if (parts->high) code |= ((from[16 + i % 32] >> (i / 32)) & 1) << 4;
    parts->codes[i] = (unsigned char)code;
  }
}

/* Of 32 elements eight quads, four bytes each: where element i is. Without words neighbours are near: quads 2 w and 2 w + 1 hold eight. */
static inline int quern_quad_of(int words, int i) { return words ? i / 16 * 4 + i % 4 : i / 8 * 2 + i % 2; }
static inline int quern_byte_of(int words, int i) { return words ? i % 16 / 4 : i % 8 / 2; }

/* One block: heads, scales; for each 32 elements words of four bits (quad q in the low halves of word q / 2's bytes, or the high ones; with
 * words=1 of word q % 4's), or of two (quad q in bits 2 (q % 4) of word q / 4); then for each 32 a word that has quad q in bits q. */
static inline void quern_pack_parts(int type, int words, const unsigned char* from, unsigned char* at, int64_t panel, int64_t column) {
  QuernParts parts;
  int depth = (int)quern_block_depth(type);
  quern_parts_of(type, from, &parts);
  for (int i = 0; i < parts.head_parts; ++i)
    at = quern_put_part(at, panel, column, parts.head + i * parts.head_bytes, parts.head_bytes);
  for (int i = 0; i < parts.scale_bytes; ++i) at = quern_put_part(at, panel, column, parts.scales + i, 1);
  for (int high = 0; high <= parts.high; ++high)
    for (int first = 0; first < depth; first += 32) {
      uint32_t word[4] = {0, 0, 0, 0};
      for (int i = 0; i < 32; ++i) {
        int quad = quern_quad_of(words, i), byte = 8 * quern_byte_of(words, i);
        uint32_t code = parts.codes[first + i];
        if (high) word[0] |= (code >> parts.low) << (byte + quad);
        else if (parts.low == 2) word[quad / 4] |= (code & 3) << (byte + 2 * (quad % 4));
        else word[words ? quad % 4 : quad / 2] |= (code & 15) << (byte + 4 * (words ? quad / 4 : quad % 2));
      }
      for (int w = 0; w < (high ? 1 : parts.low); ++w) at = quern_put_part(at, panel, column, &word[w], 4);
    }
}

/* Three bf16 of a float: each the nearest to what those before it leave, even where two are as near, and finite; what is below 2^-126 in
 * size is 0. Of an Inf or NaN the third is that, and the first 1 with its sign. */
static inline void quern_three_bfloats(const void* source, uint16_t* pieces) {
  float rest;
  memcpy(&rest, source, 4);
  for (int i = 0; i < 3; ++i) {
    uint32_t bits, size, near;
    float piece;
    memcpy(&bits, &rest, 4);
    size = bits & 0x7fffffffu;
    near = size < 0x00800000u ? 0 : (size + 0x7fffu + ((size >> 16) & 1)) & 0xffff0000u;
    if (size < 0x7f800000u && near > 0x7f7f0000u) near = 0x7f7f0000u;
    if (size >= 0x7f800000u) near = i == 0 ? 0x3f800000u : i == 1 ? 0 : size > 0x7f800000u ? 0x7fc00000u : size;
    near |= bits & 0x80000000u;
    memcpy(&piece, &near, 4);
    if (size < 0x7f800000u) rest -= piece;
    pieces[i] = (uint16_t)(near >> 16);
  }
}

/* Where block k of all columns begins in a panel; of pairs and i8 in words several k are in the same words. */
static inline int64_t quern_block_offset(int type, int words, int64_t panel, int64_t k) {
  int64_t pair = quern_pair_bytes(type, words);
  if (pair > 0) return k / 2 * pair * panel + k % 2 * 2;
  if (words && type == QUERN_I8) return (k / 16 * 4 + k % 4) * 4 * panel + quern_quad_shift((int)(k % 16)) / 8;
  return k * quern_packed_block_bytes(type) * panel;
}

/* One block of one column. `at` is where the block of all columns begins. */
static inline void quern_pack_block(int type, int words, const void* source, void* block, int64_t panel, int64_t column) {
  const unsigned char* from = (const unsigned char*)source;
  unsigned char* at = (unsigned char*)block;
  if (words && type == QUERN_BF16) memcpy(at + column * 4, from, 2);
  else if (words && type == QUERN_F32) {
    uint16_t pieces[3];
    quern_three_bfloats(from, pieces);
    for (int i = 0; i < 3; ++i) memcpy(at + (i * panel + column) * 4, &pieces[i], 2);
  }
  else if (words && type == QUERN_I8) at[column * 4] = (unsigned char)(from[0] ^ 0x80);
  else if (type >= QUERN_Q4_1) quern_pack_parts(type, words, from, at, panel, column);
  else if (words) quern_pack_quads(type, from, at, panel, column);
  else if (type == QUERN_Q4_0) quern_pack_q4_0(from, at, panel, column);
  else if (type == QUERN_Q4_K) quern_pack_q4_k(from, at, panel, column);
  else if (type == QUERN_Q6_K) quern_pack_q6_k(from, at, panel, column);
  else if (type == QUERN_Q8_0) { /* d, then the 32 int8 */
    at = quern_put_part(at, panel, column, from, 2);
    for (int k = 0; k < 32; ++k) at = quern_put_part(at, panel, column, from + 2 + k, 1);
  } else {
    quern_put_part(at, panel, column, from, quern_block_bytes(type));
  }
}

/* Packs a weight: `packed` takes quern_packed_bytes(pack). `source` is dense, [batch, depth, columns], or [batch, columns, depth] where
 * transposed (quantised weights always are). */
static inline void quern_pack_weight(const QuernPack* pack, void* packed, const void* source) {
  const unsigned char* from = (const unsigned char*)source;
  unsigned char* to = (unsigned char*)packed;
  int64_t bytes = quern_block_bytes(pack->type), blocks = pack->depth / quern_block_depth(pack->type);
  memset(packed, 0, (size_t)quern_packed_bytes(pack));
  for (int64_t b = 0; b < pack->batch; ++b, from += blocks * pack->columns * bytes)
    for (int64_t p = 0; p * pack->panel < pack->columns; ++p, to += quern_panel_bytes(pack))
      for (int64_t c = 0; c < pack->panel && p * pack->panel + c < pack->columns; ++c)
        for (int64_t k = 0; k < blocks; ++k) {
          int64_t n = p * pack->panel + c;
          quern_pack_block(pack->type, pack->words, from + (pack->transposed ? n * blocks + k : k * pack->columns + n) * bytes,
                           to + quern_block_offset(pack->type, pack->words, pack->panel, k), pack->panel, c);
        }
}

#ifdef __cplusplus
}
#endif
#endif
