// tuner/Transfer.h — what was found elsewhere is worth a try here: on other CPUs, and for ops like this one.
#pragma once

#include "compiler/jit/KernelLibrary.h"
#include "tuner/records/Journal.h"

#include <vector>

namespace quern {

/// Schedules that are legal for `op` here and won for it on other CPUs, or for the most similar ops on this one: to be tried first. They
/// decide nothing. At most a handful, each once, none of them the default. `until`: a run's name; what the journal has behind its first
/// line is not looked at, so that a run that is gone on with begins with what it began with at first.
std::vector<Schedule> foundElsewhere(KernelLibrary& library, const Journal& journal, const OpDesc& op, const std::string& until = "");

/// How unlike two ops of one class are: the sum over their axes of |log of the ratio of extents|; infinite where they differ in more
/// than extents.
double distanceOf(const OpDesc& a, const OpDesc& b);

}  // namespace quern
