// tools/quern/cli/Npy.h — NumPy's .npy files: what `eval` reads and writes.
#pragma once

#include "compiler/base/Result.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace quern {

/// What NumPy calls a type of numbers, and what everybody else does. bf16 has no name of its own there: two bytes of anything.
struct NpyType {
  enum class Kind : uint8_t { Float, Signed, Unsigned, Bool };
  std::string_view descr, name;
  Kind kind;
  size_t bytes;

  bool isWhole() const { return kind == Kind::Signed || kind == Kind::Unsigned; }
};
std::span<const NpyType> npyTypes();
/// nullptr: there is none.
const NpyType* npyTypeNamed(std::string_view name);

/// An array in row-major order, its elements as in the file.
struct NpyArray {
  std::vector<int64_t> shape;
  const NpyType* type = nullptr;
  std::vector<std::byte> data;

  size_t count() const { return data.size() / type->bytes; }
  /// Of f32, f16 and bf16, exactly.
  std::vector<float> floats() const;
  /// Element i of whole numbers; of u64 from 2^63 on, one below 0.
  int64_t whole(size_t i) const;
};

/// Versions 1 to 3, little-endian, C or Fortran order, of any of npyTypes.
/// Errors   BadInput: file, field, value, and what would be right. Nothing larger than the file is allocated.
Result<NpyArray> readNpy(const std::string& path);

/// Version 1, C order, written to a temporary name and renamed. Errors: Machine.
Result<void> writeNpy(const std::string& path, std::span<const int64_t> shape, const NpyType& type, std::span<const std::byte> data);
/// Of f32.
Result<void> writeNpy(const std::string& path, std::span<const int64_t> shape, std::span<const float> values);

}  // namespace quern
