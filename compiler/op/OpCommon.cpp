// compiler/op/OpCommon.cpp — see OpCommon.h.
#include "compiler/op/OpCommon.h"

#include "compiler/base/Text.h"

#include <cmath>
#include <fmt/format.h>

namespace quern {

std::string_view causalText(Causal causal) { return causal == Causal::No ? "" : causal == Causal::TopLeft ? "topleft" : "1"; }

Causal takeCausal(KeyReader& reader) {
  switch (reader.takeChoice("causal", {"0", "1", "topleft"})) {
    case 1: return Causal::LastRowSeesAll;
    case 2: return Causal::TopLeft;
    default: return Causal::No;
  }
}

size_t axisOf(int axis, size_t rank) { return static_cast<size_t>(axis < 0 ? axis + static_cast<int>(rank) : axis); }

Result<void> checkAxis(std::string_view op, int axis, const Shape& x) {
  int rank = static_cast<int>(x.size());
  if (axis >= -rank && axis < rank) return {};
  if (rank == 0) return badCommand(fmt::format("{}: x=scalar has no axis", op));
  return badCommand(fmt::format("{}: axis={} is not an axis of x={}; legal: {} to {}", op, axis, text(x), -rank, rank - 1));
}

void fillX(KeyValues& keys, std::span<const std::vector<int64_t>> shapes) {
  if (!shapes.empty() && keys.find("x") == nullptr) keys.set("x", shapeText(shapes[0]));
}

PairOrder takePairOrder(KeyReader& reader, RoundedTo a, std::string_view with) {
  bool pairs = a == RoundedTo::BF16 || a == RoundedTo::F32x3;
  if (reader.has("order") && !pairs) reader.failBeforeKeys(fmt::format("order= goes with {}", with));
  return static_cast<PairOrder>(reader.takeChoice("order", {"tile32", "pairs"}));
}

void setPairOrder(KeyValues& keys, PairOrder order) {
  if (keys.find("a") == nullptr) keys.set("a", "bf16");
  keys.set("order", order == PairOrder::Pairs ? "pairs" : "tile32");
}

float takeScale(KeyReader& reader, std::string_view key) {
  if (!reader.has(key)) return reader.take(key), 0.0f;
  auto value = static_cast<float>(reader.takeDouble(key, 1.0));
  if (!std::isfinite(value) || value <= 0) {
    reader.fail(fmt::format("{}={} is not a finite number above 0", key, shortest(value)));
    return 1.0f;
  }
  return value;
}

ElementType takeNumberType(KeyReader& reader, std::string_view key, std::initializer_list<ElementType> also) {
  std::vector<ElementType> types = {ElementType::F32, ElementType::F16, ElementType::BF16, ElementType::F64, ElementType::I8,
                                    ElementType::U8,  ElementType::I16, ElementType::U16,  ElementType::I32, ElementType::U32,
                                    ElementType::I64, ElementType::U64, ElementType::Bool};
  types.insert(types.end(), also);
  std::vector<std::string> names;
  for (ElementType type : types) names.emplace_back(text(type));
  return types[reader.takeChoice(key, names)];
}

ElementType takeHandedType(KeyReader& reader, std::string_view key) {
  constexpr ElementType kTypes[] = {ElementType::F32, ElementType::BF16, ElementType::Q8};
  return kTypes[reader.takeChoice(key, {"f32", "bf16", "q8"})];
}

ElementType takeKeptType(KeyReader& reader, std::string_view key) {
  constexpr ElementType kTypes[] = {ElementType::F32, ElementType::F16, ElementType::BF16, ElementType::Q8_0};
  return kTypes[reader.takeChoice(key, {"f32", "f16", "bf16", "q8_0"})];
}

Result<void> checkBlocks(std::string_view op, const std::string& given, std::string_view key, ElementType type, Dim last) {
  int64_t block = formatOf(type).block;
  if (block == 1 || (!last.any() && last.value % block == 0)) return {};
  return badCommand(
      fmt::format("{}: {} with {}={}, whose blocks are {} elements of the last axis: a known multiple of {} is needed there, or {}=bf16",
                  op, given, key, text(type), block, block, key));
}

}  // namespace quern
