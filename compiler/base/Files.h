// compiler/base/Files.h — writing that never leaves half a file, folders, and where data files lie. Reading: InputFile.h.
#pragma once

#include "compiler/base/Descriptor.h"
#include "compiler/base/InputFile.h"
#include "compiler/base/Result.h"

#include <string>
#include <string_view>
#include <vector>

namespace quern {

/// Writes a unique temporary file beside `path`, syncs it, renames it over `path` and syncs the directory.
/// Links are followed; devices, pipes that somebody reads, and this process's own descriptors (/dev/stdout) are written directly.
/// Errors: Machine, with nothing left behind.
Result<void> writeFileAtomically(const std::string& path, std::string_view bytes);

/// A new file in the open folder, named `called` + ".tmp" + six letters, with `mode` less the umask; sets `name`. None: errno says why.
Descriptor createBeside(int folder, const std::string& called, unsigned mode, std::string& name);
constexpr std::string_view kTemporaryEnding = ".tmp";
constexpr size_t kTemporaryLetters = 6;

/// Where `path` lies: "." where it has no folder.
std::string directoryOf(const std::string& path);
/// So that a new name survives the machine; what cannot be synced is passed over.
void syncDirectory(const std::string& path);

/// All of `bytes`, however many writes that takes. False: errno says why not.
bool writeAll(int fd, std::string_view bytes);

/// mkdir -p. New directories get `mode`: 0700 whatever the umask, another less the umask. Errors: Machine.
Result<void> makeDirectories(const std::string& path, unsigned mode = 0755);

/// Names of the entries in `path` (sorted, without . and ..); empty where it cannot be read.
std::vector<std::string> listDirectory(const std::string& path);
std::vector<std::string> listDescriptor(const Descriptor& directory);

/// Finds a data file of one kind ("suites", "baselines", ...): a name with '/' or ending in .toml is a path; another
/// is looked up in $QUERN_CONFIG_DIR, the checkout's configs/, the installed share folder.
/// Errors   BadInput listing the known names of that kind.
Result<std::string> findConfig(const std::string& kind, const std::string& nameOrPath);

/// All names of one kind over all places, sorted, each once.
std::vector<std::string> configNames(const std::string& kind);

}  // namespace quern
