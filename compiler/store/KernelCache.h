// compiler/store/KernelCache.h — kernels on disk: one file an entry; the first directory is written, the others are read.
#pragma once

#include "compiler/store/KernelArtifact.h"

#include <optional>
#include <string>
#include <vector>

namespace quern {

/// `--cache` (directories with ':' between, or "none"), else $QUERN_CACHE_DIR, else $XDG_CACHE_HOME/quern, else
/// ~/.cache/quern. Empty: no cache.
std::vector<std::string> cacheDirectories(const std::string& flag);

/// One file of a cache.
struct CacheFile {
  std::string path;
  int64_t bytes = 0;
};

/// Threads and processes may share a directory: entries are whole files, written aside and renamed.
class KernelCache {
public:
  /// Directories that do not exist are made (0700) when first written to. One that others may write is refused with a
  /// warning: mapped code must be nobody else's.
  explicit KernelCache(std::vector<std::string> directories);

  /// The entry of `key`. Anything wrong with it is a miss with one warning.
  std::optional<KernelArtifact> find(const KernelKey& key) const;

  /// Writes the entry into the first directory. Errors: Machine.
  Result<void> put(const KernelArtifact& artifact) const;

  /// Every entry file of every directory.
  std::vector<CacheFile> files() const;

  /// Writes all valid entries, or reads such a file back. Both return how many.
  Result<int64_t> exportTo(const std::string& file) const;
  Result<int64_t> importFrom(const std::string& file) const;

  const std::vector<std::string>& directories() const { return directories_; }
  bool enabled() const { return !directories_.empty(); }
  /// The first directory, made if need be. Errors: Machine.
  Result<std::string> writableDirectory() const;

private:
  std::vector<std::string> directories_;
};

}  // namespace quern
