// compiler/loops/ir/LoopParser.h — loop programs from text (`--loops FILE`).
#pragma once

#include "compiler/base/Result.h"
#include "compiler/loops/ir/LoopProgram.h"

namespace quern {

/// Errors   BadInput "file:line: what". The result is well-formed text; verifyLoops says whether it means something.
Result<LoopProgram> parseLoops(std::string_view text, const std::string& file);

}  // namespace quern
