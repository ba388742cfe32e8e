// compiler/loops/ir/LoopVerifier.h — is a loop program well-formed? Everything emission and interpretation rely on.
#pragma once

#include "compiler/base/Result.h"
#include "compiler/loops/ir/LoopProgram.h"

namespace quern {

/// Types agree, names are in scope, accesses have their buffer's rank, stores go to writable buffers, unrolled bounds and
/// register indices are constant, no maths call is left, 1 to 3 phases.
/// Errors   BadInput naming the expression or statement. Bounds are the interpreter's to check.
Result<void> verifyLoops(const LoopProgram& program);

}  // namespace quern
