// tuner/measure/Probes.h — which loops measure a target's ceilings: plain vectors per level, no kernel of ours measures its own limit.
#pragma once

#include "compiler/target/Target.h"
#include "tuner/measure/Probe.h"

#include <vector>

namespace quern {

Probe probeOf(const Target& target);
/// One for each width of vectors that the target has, its own first: the widest need not be the fastest where it lowers the clock.
std::vector<Probe> probesOf(const Target& target);

}  // namespace quern
