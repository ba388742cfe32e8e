// compiler/loops/OpLoops.h — one builder per op: op x schedule -> loops. An op adds a line and a file.
#pragma once

#include "compiler/loops/OpBuild.h"

namespace quern {

void buildLoops(OpBuild& build, const MatmulOp& op, const MatmulSchedule& schedule);
void buildLoops(OpBuild& build, const MapOp& op, const MapSchedule& schedule);
void buildLoops(OpBuild& build, const SoftmaxOp& op, const RowSchedule& schedule);
void buildLoops(OpBuild& build, const ReduceOp& op, const RowSchedule& schedule);
void buildLoops(OpBuild& build, const LayerNormOp& op, const RowSchedule& schedule);
void buildLoops(OpBuild& build, const RmsNormOp& op, const RowSchedule& schedule);
void buildLoops(OpBuild& build, const EmbeddingOp& op, const MoveSchedule& schedule);
void buildLoops(OpBuild& build, const TransposeOp& op, const MoveSchedule& schedule);
void buildLoops(OpBuild& build, const RopeOp& op, const MoveSchedule& schedule);
void buildLoops(OpBuild& build, const CastOp& op, const MoveSchedule& schedule);
void buildLoops(OpBuild& build, const AttentionOp& op, const AttentionSchedule& schedule);

}  // namespace quern
