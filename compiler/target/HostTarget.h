// compiler/target/HostTarget.h — the CPU at hand, and CPUs by name.
#pragma once

#include "compiler/base/Toml.h"
#include "compiler/target/Target.h"

namespace quern {

/// The CPU this process runs on: level and features that both the CPU reports and the operating system has enabled,
/// data caches as Linux reports them, or the CPU itself where Linux does not.
Target hostTarget();

/// What became of one instruction of each feature that the CPU reports, run in a child process.
struct FeatureTrial {
  std::vector<std::string> run;       ///< it executes, or could not be tried
  std::vector<std::string> failed;    ///< enabled, but it does not execute
  std::vector<std::string> disabled;  ///< the system does not save its registers, or refuses this process AMX's
  std::string untried;                ///< why no child process could be had; empty: it could
};
FeatureTrial tryFeatures();

/// A CPU file that was read. Errors: BadInput, naming `file`, line and column.
Result<Target> targetFromToml(const TomlValue& root, const std::string& file);
/// `host`, a name in configs/cpu/, or a TOML file; behind it features to leave out: "host -avx512vnni".
/// Errors   BadCommand for an unknown name (with the known ones), BadInput for a bad file.
Result<Target> findTarget(const std::string& nameOrFile);

/// As findTarget, for code that is to run here: where the model is not said it is this machine's.
/// Errors   as findTarget; Machine naming what this machine lacks.
Result<Target> findRunnableTarget(const std::string& nameOrFile);

/// The plain levels whose code runs on `target`, narrowest first: of x86-64, x86-64-v3 and x86-64-v4.
std::vector<Target> levelsWithin(const Target& target);

/// The TOML form, as `cpu -o` writes it.
std::string targetToml(const Target& target);

}  // namespace quern
