// compiler/store/CacheFiles.cpp — see KernelCache.h: listing what is there, and moving it to other caches.
#include "compiler/base/Files.h"
#include "compiler/base/Log.h"
#include "compiler/base/Sha256.h"
#include "compiler/base/Text.h"
#include "compiler/store/CacheNames.h"
#include "compiler/store/KernelCache.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <set>
#include <sys/stat.h>
#include <unistd.h>

namespace quern {

static constexpr std::string_view kExportMagic = "quern-kernels 1\n";

/// An entry as find() would judge it, plus: is it the one that its name says?
static Result<KernelArtifact> judged(const TrustedFolder& folder, const std::string& name) {
  auto artifact = readEntry(folder, name);
  if (!artifact) return artifact.error();
  std::string path = folder.path() + "/" + name;
  if (!*artifact) return badInput(escaped(path) + ": is gone");
  auto hash = hashOf((*artifact)->key);
  if (!hash) return hash.error();
  if (*hash + kEntryEnding != name) return badInput(escaped(path) + ": is not the entry that its name says");
  return std::move(**artifact);
}

static void addFiles(const TrustedFolder& folder, std::vector<CacheFile>& all) {
  for (const std::string& name : folder.names()) {
    if (!name.ends_with(kEntryEnding)) continue;
    struct stat info{};
    ::fstatat(folder.descriptor().get(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW);
    all.push_back({folder.path() + "/" + name, info.st_size, info.st_mtim.tv_sec, judged(folder, name)});
  }
}

std::vector<CacheFile> KernelCache::files() const {
  std::vector<CacheFile> all;
  for (const std::string& directory : directories_) {
    auto folder = trustedEntries(directory);
    if (!folder) all.push_back({directory, 0, 0, folder.error()});
    else if (*folder) addFiles(**folder, all);
  }
  return all;
}

std::vector<CacheFile> KernelCache::ownFiles() const {
  std::vector<CacheFile> all;
  auto folder = directories_.empty() ? std::nullopt : entriesOf(directories_.front());
  if (folder) addFiles(*folder, all);
  return all;
}

Result<void> KernelCache::remove(const CacheFile& file) const {
  auto folder = writableEntries();
  if (!folder) return folder.error();
  std::string name = file.path.substr(file.path.find_last_of('/') + 1);
  if (::unlinkat(folder->descriptor().get(), name.c_str(), 0) == 0 || errno == ENOENT) return {};
  return machineLacks(fmt::format("{}: cannot be removed: {}", escaped(file.path), std::strerror(errno)));
}

Result<int64_t> KernelCache::exportTo(const std::string& file) const {
  std::string out(kExportMagic);
  std::set<std::string> written;
  for (const CacheFile& entry : files()) {
    if (!entry.artifact) {
      logWarning(fmt::format("cache entry {}; it is left out", entry.artifact.error().message));
      continue;
    }
    if (!written.insert(text(entry.artifact->key)).second) continue;  // an earlier directory has it
    auto bytes = serialise(*entry.artifact);
    if (!bytes) return bytes.error();
    out += fmt::format("{}\n{}\n", bytes->size(), *bytes);
    if (out.size() + kSha256Chars > static_cast<size_t>(kMostText))
      return machineLacks(fmt::format("{}: the cache has more than the {} that an import reads", escaped(file), humanBytes(kMostText)));
  }
  auto hash = sha256(out);
  if (!hash) return hash.error();
  if (auto good = writeFileAtomically(file, out + *hash); !good) return good.error();
  return static_cast<int64_t>(written.size());
}

/// The entries of an export file's body. Errors: BadInput without the file's name.
static Result<std::vector<KernelArtifact>> parseExport(std::string_view rest) {
  std::vector<KernelArtifact> artifacts;
  while (!rest.empty()) {
    size_t lineEnd = rest.find('\n');
    auto length = parseInt(rest.substr(0, lineEnd));
    if (lineEnd == std::string_view::npos || !length || *length < 0 || static_cast<size_t>(*length) >= rest.size() - lineEnd - 1)
      return badInput("an entry is longer than the file");
    auto artifact = parseArtifact(rest.substr(lineEnd + 1, static_cast<size_t>(*length)));
    if (!artifact) return artifact.error();
    artifacts.push_back(std::move(*artifact));
    rest.remove_prefix(lineEnd + 1 + static_cast<size_t>(*length) + 1);
  }
  return artifacts;
}

Result<int64_t> KernelCache::importFrom(const std::string& file) const {
  auto bytes = readFile(file);
  if (!bytes) return bytes.error();
  std::string_view all = *bytes;
  auto bad = [&](const std::string& why) { return badInput(fmt::format("{}: {}", escaped(file), why)); };
  if (!all.starts_with(kExportMagic) || all.size() < kExportMagic.size() + kSha256Chars)
    return bad("not a file that `quern cache export` wrote");
  std::string_view body = all.substr(0, all.size() - kSha256Chars);
  auto hash = sha256(body);
  if (!hash) return hash.error();
  if (*hash != all.substr(body.size())) return bad("its hash does not match: it was damaged or cut short");
  auto artifacts = parseExport(body.substr(kExportMagic.size()));
  if (!artifacts) return bad(artifacts.error().message);
  for (const KernelArtifact& artifact : *artifacts)
    if (auto good = put(artifact); !good) return good.error();
  return static_cast<int64_t>(artifacts->size());
}

}  // namespace quern
