// compiler/loops/maths/ExpandMaths.h — pass: maths calls become arithmetic.
#pragma once

#include "compiler/loops/ir/LoopProgram.h"

namespace quern {

/// Replaces every Call by the polynomial of MathFunctions.h, its intermediates as lets before the statement.
///   before  set y[0] = exp(x[i]:8)
///   after   let x_1 = x[i]:8 ... set y[0] = ((p * bits_f32(...)) * bits_f32(...))
/// `fma`: the target has fused multiply-add. `lookups`: a table of 32 floats is one instruction there.
LoopProgram expandMaths(LoopProgram program, bool fma, bool lookups);

}  // namespace quern
