// compiler/loops/LoopCalls.h — the functions of the loop text: fma, select, broadcast16, exp ...
#pragma once

#include "compiler/loops/LoopProgram.h"

namespace quern {

/// Makes `e`, whose arguments are set, the node that `name` with these arguments stands for; false where there is none.
bool classifyCall(LoopExpr& e, const std::string& name);

}  // namespace quern
