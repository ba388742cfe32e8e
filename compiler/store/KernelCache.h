// compiler/store/KernelCache.h — kernels on disk: one file an entry; the first directory is written, the others are read. Formats, and
// what is trusted: README.md.
#pragma once

#include "compiler/store/KernelArtifact.h"
#include "compiler/store/KeyClaim.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace quern {

/// `--cache` (directories with ':' between, or "none"), else $QUERN_CACHE_DIR, else $XDG_CACHE_HOME/quern, else
/// ~/.cache/quern. Empty elements of a list are none. Empty: no cache.
std::vector<std::string> cacheDirectories(const std::string& flag);

/// One file of a cache, or a folder of one that is not trusted.
struct CacheFile {
  std::string path;
  int64_t bytes = 0, changedSeconds = 0;  ///< changed: since the epoch
  /// What is in it, or why it is not used.
  Result<KernelArtifact> artifact;
};

/// Threads and processes may share a directory: entries are whole files, written aside and renamed. What others could have written is
/// neither mapped nor listed as good (base/TrustedFolder.h), and each such thing is said once.
class KernelCache {
public:
  /// Directories that do not exist are made (0700) when first written to.
  explicit KernelCache(std::vector<std::string> directories);

  /// The entry of `key`. Anything wrong with it is a miss with one warning.
  std::optional<KernelArtifact> find(const KernelKey& key) const;
  /// The one warning, for an entry whose fault showed only when it was used.
  void refuse(const KernelKey& key, const std::string& why) const;
  /// Whether a warning was given about the entry of `key` or the folder it would lie in.
  bool warnedOf(const KernelKey& key) const;

  /// The right to make the missing entry of `key`, waited for until `stop` is asked. None: nothing can be written, so nobody need
  /// wait.
  std::optional<KeyClaim> claim(const KernelKey& key, const Stop& stop) const;
  /// Writes the entry into the first directory. The first one also removes what killed writers left there. Errors: Machine.
  Result<void> put(const KernelArtifact& artifact) const;

  /// Every entry file of every directory, as find() would judge it, and the folders that are not trusted.
  std::vector<CacheFile> files() const;

  /// Writes all valid entries, or reads such a file back. Both return how many.
  Result<int64_t> exportTo(const std::string& file) const;
  Result<int64_t> importFrom(const std::string& file) const;

  /// The entry files of the first directory alone. Empty: there is none, or it is not trusted.
  std::vector<CacheFile> ownFiles() const;
  /// Removes one of them; who has loaded it keeps it. Errors: Machine.
  Result<void> remove(const CacheFile& file) const;

  const std::vector<std::string>& directories() const { return directories_; }
  bool enabled() const { return !directories_.empty(); }

private:
  struct Said;
  /// The folder with the entries of `directory`; nullopt: not there, or not trusted, which is said once.
  std::optional<TrustedFolder> entriesOf(const std::string& directory) const;
  Result<TrustedFolder> writableEntries() const;

  std::vector<std::string> directories_;
  std::shared_ptr<Said> said_;
};

}  // namespace quern
