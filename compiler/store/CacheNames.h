// compiler/store/CacheNames.h — what lies where in a cache directory, for the files that read and write it.
#pragma once

#include "compiler/base/TrustedFolder.h"
#include "compiler/store/KernelArtifact.h"

#include <optional>
#include <string>

namespace quern {

inline constexpr const char* kEntryFolder = "kernels";
inline constexpr const char* kEntryEnding = ".qk";
inline constexpr const char* kRecordFile = "records.txt";
inline constexpr const char* kJournalFile = "journal.txt";
inline constexpr int64_t kMostEntryBytes = int64_t{64} << 20;
inline constexpr int64_t kMostRecordBytes = int64_t{1} << 30;
inline constexpr int64_t kMostJournalBytes = int64_t{1} << 28;

/// The folder with a cache directory's entries; nullopt: not there. Errors: as TrustedFolder::open.
Result<std::optional<TrustedFolder>> trustedEntries(const std::string& directory);
/// An entry file; nullopt: not there. Errors: BadInput "PATH: why it is not used".
Result<std::optional<KernelArtifact>> readEntry(const TrustedFolder& folder, const std::string& name);

}  // namespace quern
