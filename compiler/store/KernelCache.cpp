// compiler/store/KernelCache.cpp — see KernelCache.h: finding and writing entries. Listing and moving them: CacheFiles.cpp.
#include "compiler/store/KernelCache.h"

#include "compiler/base/Log.h"
#include "compiler/base/Text.h"
#include "compiler/store/CacheNames.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <fmt/format.h>
#include <mutex>
#include <set>

namespace quern {

/// How long another process may take to make a kernel that this one needs too.
static constexpr std::chrono::milliseconds kPatience(10'000);

/// What was warned of, by path. Shared by copies of a cache; locked only where something is wrong.
struct KernelCache::Said {
  std::mutex guard;
  std::set<std::string> paths;
  std::atomic<bool> swept{false};

  bool first(const std::string& path) {
    std::lock_guard lock(guard);
    return paths.insert(path).second;
  }
  bool has(const std::string& path) {
    std::lock_guard lock(guard);
    return paths.contains(path);
  }
};

static std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

/// The elements that name something, each once. "$UNSET:/shared" means /shared, not the root of the file system.
static std::vector<std::string> namedIn(const std::string& list) {
  std::vector<std::string> names;
  for (std::string& name : split(list, ':'))
    if (!name.empty() && std::find(names.begin(), names.end(), name) == names.end()) names.push_back(std::move(name));
  return names;
}

std::vector<std::string> cacheDirectories(const std::string& flag) {
  if (flag == "none") return {};
  for (const std::string& list : {flag, environment("QUERN_CACHE_DIR")})
    if (std::vector<std::string> names = namedIn(list); !names.empty()) return names;
  if (std::string xdg = environment("XDG_CACHE_HOME"); !xdg.empty()) return {xdg + "/quern"};
  if (std::string home = environment("HOME"); !home.empty()) return {home + "/.cache/quern"};
  return {};
}

KernelCache::KernelCache(std::vector<std::string> directories) : directories_(std::move(directories)), said_(std::make_shared<Said>()) {
  for (const std::string& directory : directories_) entriesOf(directory);
}

Result<std::optional<TrustedFolder>> trustedEntries(const std::string& directory) {
  auto top = TrustedFolder::open(directory);
  if (!top || !*top) return top;
  return (*top)->folder(kEntryFolder);
}

std::optional<TrustedFolder> KernelCache::entriesOf(const std::string& directory) const {
  auto folder = trustedEntries(directory);
  if (folder) return std::move(*folder);
  if (said_->first(directory)) logWarning(fmt::format("cache {}; nothing in it is used", folder.error().message));
  return std::nullopt;
}

static std::string entryPath(const std::string& directory, const std::string& hash) {
  return directory + "/" + kEntryFolder + "/" + hash + kEntryEnding;
}

std::optional<KernelArtifact> KernelCache::find(const KernelKey& key) const {
  if (directories_.empty()) return std::nullopt;
  auto hash = hashOf(key);
  if (!hash) {
    if (said_->first("")) logWarning(fmt::format("cache: {}; kernels are compiled anew", hash.error().message));
    return std::nullopt;
  }
  for (const std::string& directory : directories_) {
    auto folder = entriesOf(directory);
    if (!folder) continue;
    auto artifact = readEntry(*folder, *hash + kEntryEnding);
    if (artifact && !*artifact) continue;
    if (artifact && (*artifact)->key == key) {
      folder->removeAbandoned(KeyClaim::fileOf(*hash));  // of one that was killed when its entry was just there
      return std::move(**artifact);
    }
    std::string path = entryPath(directory, *hash);
    std::string why = artifact ? escaped(path) + ": is the entry of another kernel" : artifact.error().message;
    if (said_->first(path)) logWarning(fmt::format("cache entry {}; it is not used", why));
  }
  return std::nullopt;
}

Result<std::optional<KernelArtifact>> readEntry(const TrustedFolder& folder, const std::string& name) {
  auto bytes = folder.read(name, kMostEntryBytes);
  if (!bytes) return bytes.error();
  if (!*bytes) return std::optional<KernelArtifact>();
  auto artifact = parseArtifact(**bytes);
  if (!artifact) return badInput(fmt::format("{}/{}: {}", escaped(folder.path()), escaped(name), artifact.error().message));
  return std::optional(std::move(*artifact));
}

void KernelCache::refuse(const KernelKey& key, const std::string& why) const {
  auto hash = hashOf(key);
  if (!hash) return;
  for (const std::string& directory : directories_) {
    auto folder = entriesOf(directory);
    auto artifact = folder ? readEntry(*folder, *hash + kEntryEnding) : Result<std::optional<KernelArtifact>>(badInput(""));
    if (!artifact || !*artifact || (*artifact)->key != key) continue;  // that one was not the one found
    std::string path = entryPath(directory, *hash);
    if (said_->first(path)) logWarning(fmt::format("cache entry {}: {}; it is not used", escaped(path), why));
    return;
  }
}

bool KernelCache::warnedOf(const KernelKey& key) const {
  auto hash = hashOf(key);
  return directories_.empty() || !hash || said_->has(directories_[0]) || said_->has(entryPath(directories_[0], *hash));
}

Result<TrustedFolder> KernelCache::writableEntries() const {
  if (directories_.empty()) return machineLacks("there is no cache directory to write to (--cache none, or HOME is not set)");
  auto top = TrustedFolder::make(directories_[0]);
  if (!top) return top;
  return top->makeFolder(kEntryFolder);
}

std::optional<KeyClaim> KernelCache::claim(const KernelKey& key, const Stop& stop) const {
  auto hash = hashOf(key);
  auto folder = hash ? writableEntries() : Result<TrustedFolder>(hash.error());
  if (!folder) return std::nullopt;
  return KeyClaim::take(std::move(*folder), *hash, kPatience, stop);
}

/// Files that killed processes did not finish, and claims of theirs.
static void sweep(const TrustedFolder& folder) {
  for (const std::string& name : folder.names())
    if (TrustedFolder::isTemporary(name) || KeyClaim::isClaim(name)) folder.removeAbandoned(name);
}

Result<void> KernelCache::put(const KernelArtifact& artifact) const {
  auto hash = hashOf(artifact.key);
  if (!hash) return hash.error();
  auto bytes = serialise(artifact);
  if (!bytes) return bytes.error();
  auto folder = writableEntries();
  if (!folder) return folder.error();
  auto written = folder->replace(*hash + kEntryEnding, *bytes);
  if (written && !said_->swept.exchange(true)) sweep(*folder);
  return written;
}

}  // namespace quern
