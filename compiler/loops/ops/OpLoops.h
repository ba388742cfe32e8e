// compiler/loops/ops/OpLoops.h — one builder per op: op x schedule -> loops. An op adds a file that defines its own.
#pragma once

#include "compiler/loops/build/OpBuild.h"

namespace quern {

#define QUERN_OP(Op) void buildLoops(OpBuild& build, const Op& op, const ScheduleFor<Op>& schedule);
QUERN_OPS(QUERN_OP, QUERN_OP)
#undef QUERN_OP

}  // namespace quern
