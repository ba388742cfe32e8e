// models/files/TensorType.h — the element types that tensors in model files have, as one table.
#pragma once

#include "compiler/base/Result.h"

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace quern {

/// The first eight mean the same in both formats; q*, iq*, tq*, mxfp4 are GGUF's; the last ones safetensors'.
enum class TensorType : uint8_t {
  F32,
  F16,
  BF16,
  F64,
  I8,
  I16,
  I32,
  I64,
  Q4_0,
  Q4_1,
  Q5_0,
  Q5_1,
  Q8_0,
  Q8_1,
  Q2_K,
  Q3_K,
  Q4_K,
  Q5_K,
  Q6_K,
  Q8_K,
  IQ2_XXS,
  IQ2_XS,
  IQ3_XXS,
  IQ1_S,
  IQ4_NL,
  IQ3_S,
  IQ2_S,
  IQ4_XS,
  IQ1_M,
  TQ1_0,
  TQ2_0,
  MXFP4,
  U8,
  U16,
  U32,
  U64,
  Bool,
  F8_E4M3,
  F8_E5M2,
  F8_E8M0,
  C64,
};

/// One type in both formats.
struct TensorTypeInfo {
  TensorType type;
  int ggufId;              ///< -1: GGUF has no such type
  std::string_view name;   ///< as people spell it: "q4_K"
  std::string_view dtype;  ///< in safetensors; "": it has no such type
  int64_t blockElements;   ///< a row is a whole number of blocks
  int64_t blockBytes;
};

/// The whole table.
std::span<const TensorTypeInfo> tensorTypes();
const TensorTypeInfo& infoOf(TensorType type);
inline std::string_view nameOf(TensorType type) { return infoOf(type).name; }

std::optional<TensorType> typeOfGgufId(uint32_t id);
/// What a type that GGUF once had and no longer has was called; "" for other ids.
std::string_view removedGgufType(uint32_t id);
std::optional<TensorType> typeOfDtype(std::string_view dtype);
/// For `q4_K` and the like, case-insensitively.
std::optional<TensorType> typeOfName(std::string_view name);

/// Bytes of `elements` in a row; nullopt where they are no whole number of blocks, negative, or overflow.
std::optional<int64_t> rowBytes(TensorType type, int64_t elements);

/// Elements of a shape (1 for an empty one); nullopt where a dimension is negative or the product overflows,
/// also where it does so before a later dimension of 0.
std::optional<int64_t> elementsOf(std::span<const int64_t> shape);

}  // namespace quern
