// tuner/CostModel.h — what a schedule should cost, from registers, tiles and cache sizes: it orders candidates, no more.
#pragma once

#include "compiler/schedule/Schedule.h"

namespace quern {

/// Relative time of one call; all dimensions of `op` known. Counts issue slots of the inner loop (two fma and two loads
/// a cycle), latency where a tile has too few chains, waste in tails, passes over C, and where panel and block live.
double predictedCost(const Schedule& schedule, const OpDesc& op, const Target& target);

/// False where setting `key` has already made the schedule impossible whatever the later keys become.
bool mayBecomeLegal(const Schedule& schedule, std::string_view key, const OpDesc& op, const Target& target);

/// Cuts blocks to what the op's sizes can use, so that different texts mean different kernels.
void fitToOp(Schedule& schedule, const OpDesc& op);

}  // namespace quern
