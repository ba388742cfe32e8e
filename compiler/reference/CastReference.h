// compiler/reference/CastReference.h — one number in another type, by its definition.
#pragma once

#include "compiler/op/ElementType.h"

#include <cstddef>

namespace quern {

/// The number of type `from` at `x` as one of type `to` at `out`, as cast has it: both of types of numbers, not blocks.
void castNumber(ElementType from, ElementType to, const std::byte* x, std::byte* out);

}  // namespace quern
