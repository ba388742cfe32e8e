// compiler/target/HostTarget.h — the CPU at hand, and CPUs by name.
#pragma once

#include "compiler/target/Target.h"

namespace quern {

/// The CPU this process runs on: level and features that both the CPU reports and the operating system has enabled,
/// data caches as Linux reports them.
Target hostTarget();

/// Runs one instruction of each feature in a child process: which of hostTarget().allFeatures() really execute.
/// AMX needs a permission from the kernel first; the child asks for it.
std::vector<std::string> featuresThatRun();

/// `host`, a name in configs/cpu/, or a TOML file.
/// Errors   BadCommand for an unknown name (with the known ones), BadInput for a bad file.
Result<Target> findTarget(const std::string& nameOrFile);

/// The plain levels whose code runs on `target`, narrowest first: of x86-64, x86-64-v3 and x86-64-v4.
std::vector<Target> levelsWithin(const Target& target);

/// The TOML form, as `cpu -o` writes it.
std::string targetToml(const Target& target);

}  // namespace quern
