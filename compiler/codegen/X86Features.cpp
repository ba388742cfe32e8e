// compiler/codegen/X86Features.cpp — see X86Features.h.
#include "compiler/codegen/X86Features.h"

#include <cstddef>

namespace quern {

namespace {

enum class Prefix : uint8_t { Legacy, Vex, Evex };
enum Mandatory : int8_t { Any = -1, None, P66, PF3, PF2 };  // as VEX and EVEX number them

struct Encoding {
  Prefix prefix = Prefix::Legacy;
  int map = 0;  ///< 1: 0F, 2: 0F 38, 3: 0F 3A, 5 and 6: EVEX only
  int mandatory = None;
  int w = 0;
  int opcode = 0;
};

Encoding encodingOf(std::span<const uint8_t> bytes) {
  Encoding found;
  size_t i = 0;
  auto at = [&](size_t k) { return k < bytes.size() ? bytes[k] : 0; };
  auto isPrefix = [](int b) {
    return b == 0x66 || b == 0xF2 || b == 0xF3 || b == 0xF0 || b == 0x67 || b == 0x2E || (b >= 0x26 && b <= 0x3E && (b & 7) == 6) ||
           b == 0x64 || b == 0x65;
  };
  for (; isPrefix(at(i)); ++i) {
    if (at(i) == 0x66 && found.mandatory == None) found.mandatory = P66;
    if (at(i) == 0xF3) found.mandatory = PF3;
    if (at(i) == 0xF2) found.mandatory = PF2;
  }
  if (at(i) == 0x62) return {Prefix::Evex, at(i + 1) & 7, at(i + 2) & 3, at(i + 2) >> 7, at(i + 4)};
  if (at(i) == 0xC4) return {Prefix::Vex, at(i + 1) & 31, at(i + 2) & 3, at(i + 2) >> 7, at(i + 3)};
  if (at(i) == 0xC5) return {Prefix::Vex, 1, at(i + 1) & 3, 0, at(i + 2)};
  if ((at(i) & 0xF0) == 0x40) found.w = (at(i++) >> 3) & 1;  // REX
  if (at(i) == 0x0F) {
    found.map = at(i + 1) == 0x38 ? 2 : at(i + 1) == 0x3A ? 3 : 1;
    i += found.map == 1 ? 1 : 2;
  }
  found.opcode = at(i);
  return found;
}

struct Row {
  Prefix prefix;
  int map, mandatory, from, to, w;
  std::string_view feature;
};

constexpr Row kRows[] = {
    {Prefix::Evex, 2, P66, 0x50, 0x53, Any, "avx512vnni"},
    {Prefix::Evex, 2, PF3, 0x52, 0x52, Any, "avx512bf16"},
    {Prefix::Evex, 2, PF3, 0x72, 0x72, Any, "avx512bf16"},
    {Prefix::Evex, 2, PF2, 0x72, 0x72, Any, "avx512bf16"},
    {Prefix::Evex, 2, P66, 0x75, 0x75, 0, "avx512vbmi"},
    {Prefix::Evex, 2, P66, 0x7D, 0x7D, 0, "avx512vbmi"},
    {Prefix::Evex, 2, P66, 0x83, 0x83, Any, "avx512vbmi"},
    {Prefix::Evex, 2, P66, 0x8D, 0x8D, 0, "avx512vbmi"},
    {Prefix::Evex, 2, P66, 0x54, 0x55, Any, "avx512vpopcntdq"},
    {Prefix::Evex, 2, P66, 0x62, 0x63, Any, "avx512vbmi2"},
    {Prefix::Evex, 2, P66, 0x70, 0x73, Any, "avx512vbmi2"},
    {Prefix::Evex, 3, P66, 0x70, 0x73, Any, "avx512vbmi2"},
    {Prefix::Evex, 2, P66, 0xB4, 0xB5, Any, "avx512ifma"},
    {Prefix::Evex, 2, Any, 0xC8, 0xCD, Any, "avx512er"},
    {Prefix::Evex, 5, Any, 0x00, 0xFF, Any, "avx512fp16"},
    {Prefix::Evex, 6, Any, 0x00, 0xFF, Any, "avx512fp16"},
    {Prefix::Evex, 2, P66, 0xCF, 0xCF, Any, "gfni"},
    {Prefix::Evex, 3, P66, 0xCE, 0xCF, Any, "gfni"},
    {Prefix::Vex, 2, P66, 0x50, 0x53, Any, "avxvnni"},
    {Prefix::Vex, 2, Any, 0x49, 0x49, Any, "amx-tile"},
    {Prefix::Vex, 2, Any, 0x4B, 0x4B, Any, "amx-tile"},
    {Prefix::Vex, 2, PF3, 0x5C, 0x5C, Any, "amx-bf16"},
    {Prefix::Vex, 2, PF2, 0x5C, 0x5C, Any, "amx-fp16"},
    {Prefix::Vex, 2, Any, 0x5E, 0x5E, Any, "amx-int8"},
    {Prefix::Vex, 2, None, 0x50, 0x53, Any, "avxvnniint8"},
    {Prefix::Vex, 2, PF3, 0x50, 0x53, Any, "avxvnniint8"},
    {Prefix::Vex, 2, PF2, 0x50, 0x53, Any, "avxvnniint8"},
    {Prefix::Vex, 2, PF3, 0x72, 0x72, Any, "avxneconvert"},
    {Prefix::Vex, 2, Any, 0xB0, 0xB1, Any, "avxneconvert"},
    {Prefix::Vex, 2, P66, 0xB4, 0xB5, Any, "avxifma"},
    {Prefix::Vex, 2, P66, 0xCF, 0xCF, Any, "gfni"},
    {Prefix::Vex, 3, P66, 0xCE, 0xCF, Any, "gfni"},
    {Prefix::Legacy, 2, P66, 0xCF, 0xCF, Any, "gfni"},
    {Prefix::Legacy, 3, P66, 0xCE, 0xCF, Any, "gfni"},
    {Prefix::Legacy, 2, Any, 0xF0, 0xF1, Any, "avx2"},    // movbe, of its level
    {Prefix::Legacy, 1, PF3, 0xBC, 0xBD, Any, "avx2"},    // tzcnt, lzcnt: as bsf and bsr they give something else
    {Prefix::Legacy, 1, PF3, 0xB8, 0xB8, Any, "sse4.2"},  // popcnt
    {Prefix::Legacy, 1, PF2, 0x7C, 0x7D, Any, "sse4.2"},  // haddps ...: SSE3
    {Prefix::Legacy, 1, P66, 0x7C, 0x7D, Any, "sse4.2"},
    {Prefix::Legacy, 1, PF2, 0xD0, 0xD0, Any, "sse4.2"},
    {Prefix::Legacy, 1, P66, 0xD0, 0xD0, Any, "sse4.2"},
    {Prefix::Legacy, 1, PF2, 0xF0, 0xF0, Any, "sse4.2"},
    {Prefix::Legacy, 1, PF2, 0x12, 0x12, Any, "sse4.2"},
    {Prefix::Legacy, 1, PF3, 0x12, 0x12, Any, "sse4.2"},
    {Prefix::Legacy, 1, PF3, 0x16, 0x16, Any, "sse4.2"},
    {Prefix::Legacy, 2, Any, 0x00, 0xFF, Any, "sse4.2"},
    {Prefix::Legacy, 3, Any, 0x00, 0xFF, Any, "sse4.2"},
};

}  // namespace

std::string_view x86FeatureOf(std::span<const uint8_t> instruction) {
  Encoding e = encodingOf(instruction);
  for (const Row& row : kRows) {
    bool fits = row.prefix == e.prefix && row.map == e.map && (row.mandatory == Any || row.mandatory == e.mandatory) &&
                e.opcode >= row.from && e.opcode <= row.to && (row.w == Any || row.w == e.w);
    if (fits) return row.feature;
  }
  return e.prefix == Prefix::Evex ? "avx512f" : e.prefix == Prefix::Vex ? "avx2" : "sse2";
}

}  // namespace quern
