// compiler/loops/ops/KeptRows.h — rows of numbers written in the type that they are kept as: one by one, or as blocks of q8_0.
#pragma once

#include "compiler/loops/build/OpBuild.h"

namespace quern {

/// to[place..., 0 .. width) = value(at, lanes, mask), in vectors of `lanes`; blocks as keptBlock of op/BlockValues.h makes them.
using RowValues = std::function<Value(const Value& at, int lanes, const Value* mask)>;
void storeRow(OpBuild& build, const BufferRef& to, std::span<const Value> place, const Value& width, int lanes, const RowValues& value);

}  // namespace quern
