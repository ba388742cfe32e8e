// models/files/TensorType.cpp — see TensorType.h.
#include "models/files/TensorType.h"

#include "compiler/base/Check.h"
#include "compiler/base/Checked.h"

#include <algorithm>
#include <cctype>

namespace quern {

// Block sizes: GGUF's are those of the format's specification (K blocks have 256 elements: their scales and quants
// counted out), safetensors' those of its README.
static constexpr TensorTypeInfo kTypes[] = {
    {TensorType::F32, 0, "f32", "F32", 1, 4},
    {TensorType::F16, 1, "f16", "F16", 1, 2},
    {TensorType::BF16, 30, "bf16", "BF16", 1, 2},
    {TensorType::F64, 28, "f64", "F64", 1, 8},
    {TensorType::I8, 24, "i8", "I8", 1, 1},
    {TensorType::I16, 25, "i16", "I16", 1, 2},
    {TensorType::I32, 26, "i32", "I32", 1, 4},
    {TensorType::I64, 27, "i64", "I64", 1, 8},
    {TensorType::Q4_0, 2, "q4_0", "", 32, 2 + 16},
    {TensorType::Q4_1, 3, "q4_1", "", 32, 4 + 16},
    {TensorType::Q5_0, 6, "q5_0", "", 32, 2 + 4 + 16},
    {TensorType::Q5_1, 7, "q5_1", "", 32, 4 + 4 + 16},
    {TensorType::Q8_0, 8, "q8_0", "", 32, 2 + 32},
    {TensorType::Q8_1, 9, "q8_1", "", 32, 4 + 32},
    {TensorType::Q2_K, 10, "q2_K", "", 256, 16 + 64 + 4},
    {TensorType::Q3_K, 11, "q3_K", "", 256, 32 + 64 + 12 + 2},
    {TensorType::Q4_K, 12, "q4_K", "", 256, 4 + 12 + 128},
    {TensorType::Q5_K, 13, "q5_K", "", 256, 4 + 12 + 32 + 128},
    {TensorType::Q6_K, 14, "q6_K", "", 256, 128 + 64 + 16 + 2},
    {TensorType::Q8_K, 15, "q8_K", "", 256, 4 + 256 + 32},
    {TensorType::IQ2_XXS, 16, "iq2_xxs", "", 256, 2 + 64},
    {TensorType::IQ2_XS, 17, "iq2_xs", "", 256, 2 + 64 + 8},
    {TensorType::IQ3_XXS, 18, "iq3_xxs", "", 256, 2 + 96},
    {TensorType::IQ1_S, 19, "iq1_s", "", 256, 2 + 32 + 16},
    {TensorType::IQ4_NL, 20, "iq4_nl", "", 32, 2 + 16},
    {TensorType::IQ3_S, 21, "iq3_s", "", 256, 2 + 104 + 4},
    {TensorType::IQ2_S, 22, "iq2_s", "", 256, 2 + 64 + 16},
    {TensorType::IQ4_XS, 23, "iq4_xs", "", 256, 2 + 2 + 4 + 128},
    {TensorType::IQ1_M, 29, "iq1_m", "", 256, 32 + 16 + 8},
    {TensorType::TQ1_0, 34, "tq1_0", "", 256, 48 + 4 + 2},
    {TensorType::TQ2_0, 35, "tq2_0", "", 256, 64 + 2},
    {TensorType::MXFP4, 39, "mxfp4", "", 32, 1 + 16},
    {TensorType::U8, -1, "u8", "U8", 1, 1},
    {TensorType::U16, -1, "u16", "U16", 1, 2},
    {TensorType::U32, -1, "u32", "U32", 1, 4},
    {TensorType::U64, -1, "u64", "U64", 1, 8},
    {TensorType::Bool, -1, "bool", "BOOL", 1, 1},
    {TensorType::F8_E4M3, -1, "f8_e4m3", "F8_E4M3", 1, 1},
    {TensorType::F8_E5M2, -1, "f8_e5m2", "F8_E5M2", 1, 1},
    {TensorType::F8_E8M0, -1, "f8_e8m0", "F8_E8M0", 1, 1},
    {TensorType::C64, -1, "c64", "C64", 1, 8},
};

std::span<const TensorTypeInfo> tensorTypes() { return kTypes; }

const TensorTypeInfo& infoOf(TensorType type) {
  auto at = static_cast<size_t>(type);
  QUERN_CHECK(at < std::size(kTypes) && kTypes[at].type == type);
  return kTypes[at];
}

template <class Wanted>
static std::optional<TensorType> typeWhere(Wanted wanted) {
  for (const TensorTypeInfo& info : kTypes)
    if (wanted(info)) return info.type;
  return std::nullopt;
}

std::optional<TensorType> typeOfGgufId(uint32_t id) {
  return typeWhere([&](const TensorTypeInfo& info) { return info.ggufId >= 0 && static_cast<uint32_t>(info.ggufId) == id; });
}

std::string_view removedGgufType(uint32_t id) {
  switch (id) {
    case 4: return "q4_2";
    case 5: return "q4_3";
    case 31: return "q4_0_4_4";
    case 32: return "q4_0_4_8";
    case 33: return "q4_0_8_8";
    case 36: return "iq4_nl_4_4";
    case 37: return "iq4_nl_4_8";
    case 38: return "iq4_nl_8_8";
    default: return "";
  }
}

std::optional<TensorType> typeOfDtype(std::string_view dtype) {
  return typeWhere([&](const TensorTypeInfo& info) { return !info.dtype.empty() && info.dtype == dtype; });
}

std::optional<TensorType> typeOfName(std::string_view name) {
  auto same = [](char a, char b) { return std::tolower(static_cast<unsigned char>(a)) == std::tolower(static_cast<unsigned char>(b)); };
  return typeWhere(
      [&](const TensorTypeInfo& info) { return std::equal(name.begin(), name.end(), info.name.begin(), info.name.end(), same); });
}

std::optional<int64_t> rowBytes(TensorType type, int64_t elements) {
  const TensorTypeInfo& info = infoOf(type);
  if (elements < 0 || elements % info.blockElements != 0) return std::nullopt;
  return checkedMul(elements / info.blockElements, info.blockBytes);
}

std::optional<int64_t> elementsOf(std::span<const int64_t> shape) {
  int64_t product = 1;
  bool zero = false;
  for (int64_t dimension : shape) {
    if (dimension < 0) return std::nullopt;
    zero = zero || dimension == 0;
    if (dimension == 0) continue;
    auto next = checkedMul(product, dimension);
    if (!next) return std::nullopt;
    product = *next;
  }
  return zero ? 0 : product;
}

}  // namespace quern
