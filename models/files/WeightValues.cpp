// models/files/WeightValues.cpp — see WeightValues.h. What a tensor's elements stand for is op/BlockValues' to say.
#include "models/files/WeightValues.h"

#include "compiler/base/Half.h"
#include "compiler/op/BlockValues.h"

#include <cstring>
#include <fmt/format.h>

namespace quern {

/// The same among types of elements, where there is one and it is of floats.
static std::optional<ElementType> floatsOf(TensorType type) {
  auto own = elementTypeNamed(nameOf(type));
  return own && !isWhole(*own) ? own : std::nullopt;
}

/// Of ternary types a block of 256, d behind its digits. tq2_0: pairs of bits as q2_K has them, less 1. tq1_0: five digits of base three
/// in a byte, the first the highest: of 32 bytes, then of 16, then four of each of the last 4.
static void ternaryBlock(TensorType type, const std::byte* block, float* out) {
  bool pairs = type == TensorType::TQ2_0;
  uint16_t half = 0;
  std::memcpy(&half, block + (pairs ? 64 : 52), 2);
  float d = floatOfHalf(half);
  auto digit = [&](int byte, int place) {
    int bits = static_cast<int>(block[byte]);
    for (int i = 0; i < place; ++i) bits = 3 * bits & 0xff;
    return (3 * bits) >> 8;
  };
  for (int i = 0; i < 256; ++i) {
    int q = 0;
    if (pairs) q = (static_cast<int>(block[32 * (i / 128) + i % 32]) >> (2 * (i / 32 % 4))) & 3;
    else if (i < 160) q = digit(i % 32, i / 32);
    else if (i < 240) q = digit(32 + i % 16, (i - 160) / 16);
    else q = digit(48 + i % 4, (i - 240) / 4);
    out[i] = d * static_cast<float>(q - 1);
  }
}
static bool isTernary(TensorType type) { return type == TensorType::TQ1_0 || type == TensorType::TQ2_0; }

Result<void> checkConvertible(TensorType type) {
  if (floatsOf(type) || isTernary(type)) return {};
  return badInput(fmt::format("{} is known but cannot be converted to floats", nameOf(type)));
}

Result<void> toFloats(TensorType type, const std::byte* bytes, int64_t elements, float* out) {
  auto own = floatsOf(type);
  if (auto good = checkConvertible(type); !good) return good;
  const TensorTypeInfo& info = infoOf(type);
  if (elements < 0 || elements % info.blockElements != 0)
    return badInput(fmt::format("{} elements are no whole blocks of {} ({} elements each)", elements, info.name, info.blockElements));
  for (int64_t i = 0; !own && i < elements; i += info.blockElements)
    ternaryBlock(type, bytes + i / info.blockElements * info.blockBytes, out + i);
  if (own) rowValues(*own, bytes, elements, out);
  return {};
}

}  // namespace quern
