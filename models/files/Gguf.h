// models/files/Gguf.h — one GGUF file's bytes as metadata and tensors. Files of a split model: WeightFiles.
#pragma once

#include "models/files/FileTensor.h"
#include "models/files/Metadata.h"

namespace quern {

inline constexpr int64_t kGgufAlignment = 32;          ///< where general.alignment is absent
inline constexpr int64_t kMostGgufKeys = 1 << 16;      ///< models have tens
inline constexpr int64_t kLongestGgufKey = 65535;      ///< bytes, by the specification
inline constexpr int64_t kLongestGgufTensorName = 64;  ///< bytes, by the specification
inline constexpr int kMostGgufNesting = 4;             ///< arrays inside arrays

struct GgufFile {
  int version = 3;
  int64_t alignment = kGgufAlignment;
  int64_t dataBegin = 0;            ///< byte of the first tensor
  Metadata metadata;                ///< strings and arrays of numbers are views of the bytes
  std::vector<FileTensor> tensors;  ///< by their place
  /// The keys in their order, each with its bytes from its name to the end of its value: to be written again as they are.
  std::vector<std::pair<std::string_view, std::string_view>> keys;
};

/// Reads versions 2 and 3, little-endian. `bytes` is the whole file, which the caller keeps; `file` its name for messages.
///
/// Layout   "GGUF", u32 version, u64 tensors, u64 key/values; key/values: string key, u32 type, value; tensor infos:
///          string name, u32 dimensions, u64 each (innermost first), u32 type, u64 offset; padding; tensors' data.
/// Errors   BadInput: everything that disagrees with the file's real length or the specification, by name and number.
///          Counts are checked against the bytes that are left before anything is allocated.
/// Source   the GGUF specification (docs/gguf.md of the ggml project).
Result<GgufFile> parseGguf(std::string_view bytes, const std::string& file);

}  // namespace quern
