// compiler/target/UsableCpus.h — how many CPUs this process may use, which is often fewer than the machine has.
#pragma once

#include <optional>
#include <string>

namespace quern {

/// CPUs of the affinity mask, at most as many as the control group's quota fills, rounded up; at least 1.
int usableCpus();

/// The number of the last CPU of the affinity mask; -1 where it cannot be read.
int lastUsableCpu();

/// The least CPU quota, in CPUs, of the control groups that this process is in, from its own up to the root (versions 1 and 2); nothing
/// where there is none, or where it cannot be read. `root`: what stands before /proc and /sys, for tests.
std::optional<double> cpuQuota(const std::string& root = "");

}  // namespace quern
