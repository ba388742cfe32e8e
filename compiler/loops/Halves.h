// compiler/loops/Halves.h — half precision and bfloat16 to f32 and back, by instructions where the level has them.
#pragma once

#include "compiler/loops/OpBuild.h"

namespace quern {

/// f32 of what lies in the low 16 bits of i32 lanes, exactly.
Value floatOfHalf(OpBuild& build, const Value& bits);
Value floatOfBfloat(const Value& bits);
/// The other way, to nearest even; in i32 lanes, upper bits zero.
Value halfOfFloat(OpBuild& build, const Value& value);

}  // namespace quern
