// tuner/records/Merge.cpp — see Merge.h.
#include "tuner/records/Merge.h"

#include "compiler/base/Files.h"
#include "compiler/base/Text.h"
#include "compiler/store/CacheNames.h"
#include "compiler/store/KernelCache.h"
#include "compiler/store/TuningRecord.h"
#include "tuner/records/JournalLine.h"

#include <filesystem>
#include <fmt/format.h>
#include <map>
#include <set>

namespace quern {

namespace {

namespace fs = std::filesystem;

/// None where there is no such file. Errors: as readFile: what is there and cannot be read must not be taken for nothing.
Result<std::vector<std::string>> linesOf(const std::string& path, int64_t most) {
  std::vector<std::string> lines;
  std::error_code code;
  if (!fs::exists(path, code) && !code) return lines;
  auto bytes = readFile(path, most);
  if (!bytes) return bytes.error();
  lines = split(*bytes, '\n');
  std::erase(lines, "");
  return lines;
}

/// The decisions about one op on one CPU, in their order: a later one may need those before it.
struct Decisions {
  std::string newest;  ///< date
  std::vector<std::string> lines;
};
using ByOp = std::map<std::pair<std::string, std::string>, Decisions>;

Result<ByOp> decisionsOf(const std::string& path, int64_t& damaged) {
  ByOp found;
  auto lines = linesOf(path, kMostRecordBytes);
  if (!lines) return lines.error();
  for (const std::string& line : *lines) {
    auto record = parseRecordLine(line);
    if (!record) {
      ++damaged;
      continue;
    }
    Decisions& decisions = found[{record->op, record->cpu}];
    decisions.newest = std::max(decisions.newest, record->date);  // ISO 8601: in the order of time
    decisions.lines.push_back(line);
  }
  return found;
}

class Merger {
public:
  explicit Merger(const TrustedFolder& folder) : folder_(folder) {}

  /// What is here already.
  Result<void> readOwn() {
    int64_t damaged = 0;  // said elsewhere
    auto known = decisionsOf(folder_.path() + "/" + kRecordFile, damaged);
    if (!known) return known.error();
    known_ = std::move(*known);
    auto lines = linesOf(folder_.path() + "/" + kJournalFile, kMostJournalBytes);
    if (!lines) return lines.error();
    for (std::string& line : *lines) journal_.insert(std::move(line));
    return {};
  }

  Result<void> records(const std::string& path) {
    auto found = decisionsOf(path, counts_.damaged);
    if (!found) return found.error();
    for (auto& [about, decisions] : *found) {
      ++good_;
      auto here = known_.find(about);
      if (here != known_.end() && here->second.newest >= decisions.newest) {
        ++counts_.older;
        continue;
      }
      std::string all = join(decisions.lines, "\n");
      if (auto good = folder_.append(kRecordFile, all); !good) return good;
      counts_.records += 1;
      known_[about] = std::move(decisions);
    }
    return {};
  }

  Result<void> journal(const std::string& path) {
    std::string all;
    auto lines = linesOf(path, kMostJournalBytes);
    if (!lines) return lines.error();
    for (const std::string& line : *lines) {
      size_t sum = line.rfind(" sum=");
      auto whole = sum == std::string::npos ? Result<std::string>(std::string()) : withChecksum(line.substr(0, sum));
      if (!whole) return whole.error();
      if (*whole != line) {
        ++counts_.damaged;
        continue;
      }
      ++good_;
      if (!journal_.insert(line).second) continue;
      all += (all.empty() ? "" : "\n") + line;
      ++counts_.lines;
    }
    return all.empty() ? Result<void>() : folder_.append(kJournalFile, all);
  }

  Result<void> kernels(const std::string& directory) {
    KernelCache from({directory}), to({folder_.path()});
    for (const CacheFile& file : from.files()) {
      if (!file.artifact) continue;
      ++good_;
      if (to.find(file.artifact->key)) continue;
      if (auto good = to.put(*file.artifact); !good) return good;
      ++counts_.kernels;
    }
    return {};
  }

  const MergeCounts& counts() const { return counts_; }
  /// Of what was given so far, lines and kernels that are good, new here or not.
  int64_t good() const { return good_; }

private:
  const TrustedFolder& folder_;
  ByOp known_;
  std::set<std::string> journal_;
  MergeCounts counts_;
  int64_t good_ = 0;
};

}  // namespace

/// Where none of what was given holds anything.
static Error nothingIn(const std::vector<std::string>& from, int64_t damaged) {
  std::vector<std::string> names;
  for (const std::string& path : from) names.push_back(escaped(path));
  std::string found = damaged == 0 ? "" : fmt::format(" ({}: torn or damaged)", counted(static_cast<size_t>(damaged), "line"));
  return badInput(fmt::format("{}: nothing to merge{}; a cache directory that `quern tune` filled is needed, or its {} or {}",
                              join(names, ", "), found, kRecordFile, kJournalFile));
}

Result<MergeCounts> mergeCaches(const std::string& directory, const std::vector<std::string>& from) {
  for (const std::string& path : from) {
    std::string name = fs::path(path).filename();
    std::error_code code;
    bool known = fs::is_directory(path, code) || (fs::is_regular_file(path, code) && (name == kRecordFile || name == kJournalFile));
    if (!known)
      return badInput(fmt::format("{}: neither a cache directory nor a {} or {} of one", path.empty() ? "''" : escaped(path), kRecordFile,
                                  kJournalFile));
  }
  auto folder = TrustedFolder::make(directory);
  if (!folder) return folder.error();
  Merger merger(*folder);
  if (auto good = merger.readOwn(); !good) return good.error();
  for (const std::string& path : from) {
    std::error_code code;
    bool whole = fs::is_directory(path, code);
    Result<void> good;
    if (whole && fs::equivalent(path, directory, code)) continue;
    if (whole) good = merger.kernels(path);
    if (good && (whole || path.ends_with(kRecordFile))) good = merger.records(whole ? path + "/" + kRecordFile : path);
    if (good && (whole || path.ends_with(kJournalFile))) good = merger.journal(whole ? path + "/" + kJournalFile : path);
    if (!good) return good.error();
  }
  if (merger.good() == 0) return nothingIn(from, merger.counts().damaged);
  return merger.counts();
}

}  // namespace quern
