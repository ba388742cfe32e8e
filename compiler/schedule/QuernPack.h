/* compiler/schedule/QuernPack.h — how a weight is packed for the kernels that read it. Plain C; shipped with every bundle. */
#ifndef QUERN_PACK_H
#define QUERN_PACK_H

#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What a weight's elements are; the blocks of the quantised ones are GGUF's. */
enum { QUERN_F32, QUERN_F16, QUERN_BF16, QUERN_Q8_0, QUERN_Q4_0, QUERN_Q4_K, QUERN_Q6_K, QUERN_I8 };

/* A buffer line's panel=, depth=, columns=, batch=, transposed=, type= and words=.
 *
 *   packed        batch x panels of `panel` columns, the last panel filled up with zero bytes
 *   a panel       block after block along depth
 *   a block       each of its parts for all columns of the panel: a vector along columns is one load
 *
 *   depth 0   | part 0: column 0, 1, ... panel-1 | part 1: column 0, 1, ... panel-1 | ...
 *   depth 1   | part 0: ...                                     (q4_K, q6_K: 256 of depth a block; q8_0, q4_0: 32; others: 1)
 */
typedef struct QuernPack {
  int64_t panel, depth, columns, batch;
  int transposed; /* the source is stored [columns, depth] */
  int type;
  int words; /* for kernels of a=q8, a=i8, a=bf16 and a=f32x3: see below */
} QuernPack;

static inline int64_t quern_block_depth(int type) {
  if (type == QUERN_I8) return 1;
  return type >= QUERN_Q4_K ? 256 : type >= QUERN_Q8_0 ? 32 : 1;
}
static inline int64_t quern_block_bytes(int type) {
  static const unsigned char bytes[] = {4, 2, 2, 34, 18, 144, 210, 1};
  return bytes[type];
}
/* Of a column: what two neighbours along depth take that share words; 0: they don't. */
static inline int64_t quern_pair_bytes(int type, int words) { return !words ? 0 : type == QUERN_BF16 ? 4 : type == QUERN_F32 ? 12 : 0; }
static inline int64_t quern_panel_bytes(const QuernPack* pack) {
  int64_t pair = quern_pair_bytes(pack->type, pack->words);
  if (pair > 0) return pack->panel * pair * ((pack->depth + 1) / 2);
  if (pack->words && pack->type == QUERN_I8) return pack->panel * 16 * ((pack->depth + 15) / 16);
  return pack->panel * (pack->depth / quern_block_depth(pack->type)) * quern_block_bytes(pack->type);
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
  return k * quern_block_bytes(type) * panel;
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
