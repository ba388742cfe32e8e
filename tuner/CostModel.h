// tuner/CostModel.h — what a schedule should cost, from registers, tiles and cache sizes: it orders candidates, no more.
#pragma once

#include "compiler/schedule/Schedule.h"

#include <string>

namespace quern {

/// Relative time of one call; all dimensions of `op` known. Counts issue slots of the inner loop (two fma and two loads
/// a cycle), latency where a tile has too few chains, waste in tails, passes over C, and where panel and block live.
double predictedCost(const Schedule& schedule, const OpDesc& op, const Target& target);

/// False where setting `key` has already made the schedule impossible whatever the later keys become.
bool mayBecomeLegal(const Schedule& schedule, std::string_view key, const OpDesc& op, const Target& target);

/// Can threads share it? False for a schedule with fewer than eight tasks that also has fewer than `base`: one thread may like large
/// blocks, two would wait for each other.
bool enoughTasks(const Schedule& schedule, const Schedule& base, const OpDesc& op);

/// What makes candidates differ most: of a matmul the tile and what is packed. Candidates of different kinds are tried first.
std::string kindOf(const Schedule& schedule);

/// Cuts blocks to what the op's sizes can use, so that different texts mean different kernels.
void fitToOp(Schedule& schedule, const OpDesc& op);

}  // namespace quern
