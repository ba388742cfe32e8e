// models/files/FileTensor.h — one named tensor in a model file, and the checks that every format needs.
#pragma once

#include "models/files/TensorType.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace quern {

/// Tensors of one model, over all its files: the largest mixtures of experts in use have about 92,000, others some thousands.
inline constexpr int64_t kMostTensors = 1 << 17;

/// One tensor where it lies in its file: checked to lie inside it, not necessarily aligned to its element.
struct FileTensor {
  std::string name;
  TensorType type = TensorType::F32;
  std::vector<int64_t> shape;  ///< row-major, outermost first; empty: a scalar. Rows of block types are whole blocks
  int64_t offset = 0;          ///< of its first byte in its file
  const std::byte* data = nullptr;
  int64_t bytes = 0;
  int file = 0;  ///< which of WeightFiles::files()

  int64_t elements() const { return *elementsOf(shape); }
};

/// "[32000, 768]"
std::string dimensionsText(std::span<const int64_t> shape);

/// Bytes of a whole tensor; nullopt where its rows are no whole blocks, or a product overflows.
std::optional<int64_t> tensorBytes(TensorType type, std::span<const int64_t> shape);

/// Where the tensors of one file must lie.
struct DataSection {
  std::string file;
  std::string_view bytes;  ///< the whole file
  int64_t begin = 0;       ///< of the first tensor
  int64_t alignment = 1;   ///< of every tensor
};

/// Sorts `tensors` by their place and points them to their data.
///
/// Errors   BadInput naming the tensors and bytes: one that ends behind the file, two that overlap, holes between them
///          beyond the alignment, bytes behind the last one beyond its padding.
Result<void> placeTensors(const DataSection& section, std::vector<FileTensor>& tensors);

/// The indices of `tensors` sorted by name.
std::vector<uint32_t> sortedByName(std::span<const FileTensor> tensors);

/// Errors   BadInput naming a tensor that `tensors`, all of `file`, has twice.
Result<void> checkNamesDiffer(const std::string& file, std::span<const FileTensor> tensors);

}  // namespace quern
