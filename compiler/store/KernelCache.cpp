// compiler/store/KernelCache.cpp — see KernelCache.h.
#include "compiler/store/KernelCache.h"

#include "compiler/base/Files.h"
#include "compiler/base/Log.h"
#include "compiler/base/Text.h"

#include <cstdlib>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

namespace quern {

static constexpr const char* kEntryEnding = ".qk";
static constexpr std::string_view kExportMagic = "quern-kernels 1\n";

static std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::vector<std::string> cacheDirectories(const std::string& flag) {
  if (flag == "none") return {};
  if (!flag.empty()) return split(flag, ':');
  if (std::string own = environment("QUERN_CACHE_DIR"); !own.empty()) return split(own, ':');
  if (std::string xdg = environment("XDG_CACHE_HOME"); !xdg.empty()) return {xdg + "/quern"};
  if (std::string home = environment("HOME"); !home.empty()) return {home + "/.cache/quern"};
  return {};
}

/// May code from here be mapped? Only if nobody but us (or root) can have written it.
static bool isTrusted(const std::string& directory) {
  struct stat info{};
  if (::stat(directory.c_str(), &info) != 0) return true;  // not there yet: nothing is read from it
  bool ours = info.st_uid == ::geteuid() || info.st_uid == 0;
  return ours && (info.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

KernelCache::KernelCache(std::vector<std::string> directories) {
  for (std::string& directory : directories) {
    if (isTrusted(directory)) directories_.push_back(std::move(directory));
    else
      logWarning(
          fmt::format("cache {}: others can write to it, so nothing is mapped from it; chmod 0700 would allow it", escaped(directory)));
  }
}

static std::string entryPath(const std::string& directory, const KernelKey& key) {
  return directory + "/kernels/" + hashOf(key) + kEntryEnding;
}

/// Is this file one that only we or root could write?
static bool isTrustedFile(const std::string& path) {
  struct stat info{};
  if (::stat(path.c_str(), &info) != 0) return false;
  return (info.st_uid == ::geteuid() || info.st_uid == 0) && (info.st_mode & S_IWOTH) == 0;
}

std::optional<KernelArtifact> KernelCache::find(const KernelKey& key) const {
  for (const std::string& directory : directories_) {
    std::string path = entryPath(directory, key);
    if (::access(path.c_str(), F_OK) != 0) continue;
    std::string why = "others can write to it";
    if (isTrustedFile(path)) {
      auto bytes = readFile(path);
      auto artifact = bytes ? parseArtifact(*bytes) : Result<KernelArtifact>(bytes.error());
      if (artifact && artifact->key == key) return std::move(*artifact);
      why = artifact ? "it is the entry of another kernel" : artifact.error().message;
    }
    logWarning(fmt::format("cache entry {} is not used: {}", escaped(path), why));
  }
  return std::nullopt;
}

Result<std::string> KernelCache::writableDirectory() const {
  if (directories_.empty()) return machineLacks("there is no cache directory to write to (--cache none, or HOME is not set)");
  if (auto good = makeDirectories(directories_[0] + "/kernels", 0700); !good) return good.error();
  return directories_[0];
}

Result<void> KernelCache::put(const KernelArtifact& artifact) const {
  auto directory = writableDirectory();
  if (!directory) return directory.error();
  return writeFileAtomically(entryPath(*directory, artifact.key), serialise(artifact));
}

std::vector<CacheFile> KernelCache::files() const {
  std::vector<CacheFile> all;
  for (const std::string& directory : directories_)
    for (const std::string& name : listDirectory(directory + "/kernels")) {
      std::string path = directory + "/kernels/" + name;
      struct stat info{};
      if (name.ends_with(kEntryEnding) && ::stat(path.c_str(), &info) == 0) all.push_back({path, info.st_size});
    }
  return all;
}

Result<int64_t> KernelCache::exportTo(const std::string& file) const {
  std::string out(kExportMagic);
  int64_t count = 0;
  for (const CacheFile& entry : files()) {
    auto bytes = readFile(entry.path);
    if (!bytes || !parseArtifact(*bytes)) {
      logWarning(fmt::format("cache entry {} is damaged and left out", escaped(entry.path)));
      continue;
    }
    out += fmt::format("{}\n{}\n", bytes->size(), *bytes);
    ++count;
  }
  out += sha256(out);
  if (auto good = writeFileAtomically(file, out); !good) return good.error();
  return count;
}

Result<int64_t> KernelCache::importFrom(const std::string& file) const {
  auto bytes = readFile(file);
  if (!bytes) return bytes.error();
  constexpr size_t kHashChars = 64;
  std::string_view rest = *bytes;
  auto bad = [&](const std::string& why) { return badInput(fmt::format("{}: {}", escaped(file), why)); };
  if (!rest.starts_with(kExportMagic) || rest.size() < kExportMagic.size() + kHashChars)
    return bad("not a file that `quern cache export` wrote");
  std::string_view body = rest.substr(0, rest.size() - kHashChars);
  if (sha256(body) != rest.substr(body.size())) return bad("its hash does not match: it was damaged or cut short");
  rest = body.substr(kExportMagic.size());
  std::vector<KernelArtifact> artifacts;
  while (!rest.empty()) {
    size_t lineEnd = rest.find('\n');
    auto length = parseInt(rest.substr(0, lineEnd));
    if (lineEnd == std::string_view::npos || !length || *length < 0 || static_cast<size_t>(*length) >= rest.size() - lineEnd - 1)
      return bad("an entry is longer than the file");
    auto artifact = parseArtifact(rest.substr(lineEnd + 1, static_cast<size_t>(*length)));
    if (!artifact) return bad(artifact.error().message);
    artifacts.push_back(std::move(*artifact));
    rest.remove_prefix(lineEnd + 1 + static_cast<size_t>(*length) + 1);
  }
  for (const KernelArtifact& artifact : artifacts)
    if (auto good = put(artifact); !good) return good.error();
  return static_cast<int64_t>(artifacts.size());
}

}  // namespace quern
