// tools/quern/cli/Npy.h — NumPy's .npy files: what `eval` reads and writes.
#pragma once

#include "compiler/base/Result.h"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace quern {

/// An array in row-major order. `values` holds f32; `ids` holds whole numbers where the file had <i4 or <i8, `bytes` those of |i1.
struct NpyArray {
  std::vector<int64_t> shape;
  std::vector<float> values;
  std::vector<int32_t> ids;
  std::vector<int8_t> bytes;
  bool isIds = false;
  bool isBytes = false;
  bool isHalf = false;  ///< the file had <f2; the values are exactly those
};

/// Versions 1 to 3, little-endian f32 (`<f4`), f16 (`<f2`), i32 and i64 (`<i4`, `<i8`), i8 (`|i1`), C or Fortran order.
/// Errors   BadInput: file, field, value, and what would be right. Nothing larger than the file is allocated.
Result<NpyArray> readNpy(const std::string& path);

/// Version 1, `<f4`, C order, written to a temporary name and renamed. Errors: Machine.
Result<void> writeNpy(const std::string& path, std::span<const int64_t> shape, std::span<const float> values);

}  // namespace quern
