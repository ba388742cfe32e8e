// compiler/op/BlockValues.h — the numbers that stored weights stand for: what kernels, references and table look-ups agree on.
#pragma once

#include "compiler/op/ElementType.h"

#include <cstddef>

namespace quern {

/// `elements` values (whole blocks) of a stored row as f32. i32 is no weight.
void rowValues(ElementType type, const std::byte* row, int64_t elements, float* values);

}  // namespace quern
