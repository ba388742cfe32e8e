// compiler/loops/build/Halves.h — half precision, bfloat16 and blocks of q8_0 to f32 and back, by instructions where the level has them.
#pragma once

#include "compiler/loops/build/OpBuild.h"

namespace quern {

/// f32 of what lies in the low 16 bits of i32 lanes, exactly.
Value floatOfHalf(OpBuild& build, const Value& bits);
Value floatOfBfloat(const Value& bits);
/// The other way, to nearest even; in i32 lanes, upper bits zero.
Value halfOfFloat(OpBuild& build, const Value& value);
Value bfloatOfFloat(OpBuild& build, const Value& value);

/// Where the element at `index` begins in the buffer's own dimensions: at `index`, or in a block.
std::vector<Value> storedPlace(const BufferRef& buffer, std::span<const Value> index);

/// From and to a buffer of f32, f16 or bf16; from one of blocks too, lanes within one block. One lane takes no mask, blocks take none.
Value loadFloats(OpBuild& build, const BufferRef& buffer, std::span<const Value> index, int lanes, const Value* mask = nullptr);
inline Value loadFloats(OpBuild& build, const BufferRef& buffer, Index index, int lanes, const Value* mask = nullptr) {
  return loadFloats(build, buffer, std::span(index.begin(), index.size()), lanes, mask);
}
void storeFloats(OpBuild& build, const BufferRef& buffer, std::span<const Value> index, const Value& value, const Value* mask);
inline void storeFloats(OpBuild& build, const BufferRef& buffer, Index index, const Value& value, const Value* mask) {
  storeFloats(build, buffer, std::span(index.begin(), index.size()), value, mask);
}

}  // namespace quern
