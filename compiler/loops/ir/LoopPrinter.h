// compiler/loops/ir/LoopPrinter.h — loop programs as text.
#pragma once

#include "compiler/loops/ir/LoopProgram.h"

namespace quern {

/// The whole program. parseLoops(text(p)) prints the same text again.
std::string text(const LoopProgram& program);
/// One expression; names are those of `program`.
std::string text(const LoopExprRef& expr, const LoopProgram& program);
std::string_view text(BufferRole role);

}  // namespace quern
