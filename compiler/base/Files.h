// compiler/base/Files.h — whole-file reading, and writing that never leaves half a file.
#pragma once

#include "compiler/base/Result.h"

#include <span>
#include <string>
#include <vector>

namespace quern {

/// The whole of `path`. Errors: BadInput naming the path and the system's reason.
Result<std::string> readFile(const std::string& path);

/// Writes a unique temporary file beside `path`, syncs it, renames it over `path` and syncs the directory.
/// Links are followed; devices and pipes are written directly. Errors: Machine, with nothing left behind.
Result<void> writeFileAtomically(const std::string& path, std::string_view bytes);

/// Appends `line` and a newline in one write, and syncs.
Result<void> appendLine(const std::string& path, std::string_view line);

/// mkdir -p. New directories get `mode`. Errors: Machine.
Result<void> makeDirectories(const std::string& path, unsigned mode = 0755);

/// Names of the entries in `path` (sorted, without . and ..); empty where it cannot be read.
std::vector<std::string> listDirectory(const std::string& path);

/// Finds a data file of one kind ("suites", "baselines", ...): a name with '/' or ending in .toml is a path; another
/// is looked up in $QUERN_CONFIG_DIR, the checkout's configs/, the installed share folder.
/// Errors   BadInput listing the known names of that kind.
Result<std::string> findConfig(const std::string& kind, const std::string& nameOrPath);

/// All names of one kind over all places, sorted, each once.
std::vector<std::string> configNames(const std::string& kind);

/// Lower-case hexadecimal SHA-256 of `bytes`.
std::string sha256(std::string_view bytes);

}  // namespace quern
