// compiler/op/ElementType.cpp — see ElementType.h.
#include "compiler/op/ElementType.h"

#include <array>

namespace quern {

static constexpr std::array<ElementFormat, 27> kFormats = {
    {{"f32", 1, 4},      {"i32", 1, 4},        {"f16", 1, 2},    {"bf16", 1, 2},    {"q8_0", 32, 34},   {"q4_0", 32, 18},
     {"q4_K", 256, 144}, {"q6_K", 256, 210},   {"i8", 1, 1},     {"u8", 1, 1},      {"i16", 1, 2},      {"u16", 1, 2},
     {"f64", 1, 8},      {"q8", 32, 64},       {"i64", 1, 8},    {"bool", 1, 1},    {"u32", 1, 4},      {"u64", 1, 8},
     {"q4_1", 32, 20},   {"q5_0", 32, 22},     {"q5_1", 32, 24}, {"q2_K", 256, 84}, {"q3_K", 256, 110}, {"q5_K", 256, 176},
     {"iq4_nl", 32, 18}, {"iq4_xs", 256, 136}, {"mxfp4", 32, 17}}};

static constexpr auto kNames = [] {
  std::array<std::string_view, kFormats.size()> names;
  for (size_t i = 0; i < names.size(); ++i) names[i] = kFormats[i].name;
  return names;
}();

const ElementFormat& formatOf(ElementType type) { return kFormats[static_cast<size_t>(type)]; }

std::string_view text(ElementType type) { return formatOf(type).name; }

std::optional<ElementType> elementTypeNamed(std::string_view name) {
  for (size_t i = 0; i < kNames.size(); ++i)
    if (kNames[i] == name) return static_cast<ElementType>(i);
  return std::nullopt;
}

std::span<const std::string_view> elementTypeNames() { return kNames; }

bool isWhole(ElementType type) {
  bool isFloat = type == ElementType::F32 || type == ElementType::F16 || type == ElementType::BF16 || type == ElementType::F64;
  return !isFloat && !isQuantised(type);
}

int64_t bytesOf(ElementType type, int64_t elements) { return elements / formatOf(type).block * formatOf(type).blockBytes; }

}  // namespace quern
