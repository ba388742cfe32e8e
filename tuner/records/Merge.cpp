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

std::vector<std::string> linesOf(const std::string& path) {
  auto bytes = readFile(path);
  std::vector<std::string> lines = bytes ? split(*bytes, '\n') : std::vector<std::string>();
  std::erase(lines, "");
  return lines;
}

/// The decisions about one op on one CPU, in their order: a later one may need those before it.
struct Decisions {
  std::string newest;  ///< date
  std::vector<std::string> lines;
};
using ByOp = std::map<std::pair<std::string, std::string>, Decisions>;

ByOp decisionsOf(const std::string& path, int64_t& damaged) {
  ByOp found;
  for (const std::string& line : linesOf(path)) {
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
  explicit Merger(const TrustedFolder& folder) : folder_(folder), known_(decisionsOf(folder.path() + "/" + kRecordFile, own_)) {
    for (std::string& line : linesOf(folder.path() + "/" + kJournalFile)) journal_.insert(std::move(line));
  }

  Result<void> records(const std::string& path) {
    for (auto& [about, decisions] : decisionsOf(path, counts_.damaged)) {
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
    for (const std::string& line : linesOf(path)) {
      size_t sum = line.rfind(" sum=");
      auto whole = sum == std::string::npos ? Result<std::string>(std::string()) : withChecksum(line.substr(0, sum));
      if (!whole) return whole.error();
      if (*whole != line) {
        ++counts_.damaged;
        continue;
      }
      if (!journal_.insert(line).second) continue;
      all += (all.empty() ? "" : "\n") + line;
      ++counts_.lines;
    }
    return all.empty() ? Result<void>() : folder_.append(kJournalFile, all);
  }

  Result<void> kernels(const std::string& directory) {
    KernelCache from({directory}), to({folder_.path()});
    for (const CacheFile& file : from.files()) {
      if (!file.artifact || to.find(file.artifact->key)) continue;
      if (auto good = to.put(*file.artifact); !good) return good;
      ++counts_.kernels;
    }
    return {};
  }

  const MergeCounts& counts() const { return counts_; }

private:
  const TrustedFolder& folder_;
  int64_t own_ = 0;  ///< damaged lines of ours: said elsewhere
  ByOp known_;
  std::set<std::string> journal_;
  MergeCounts counts_;
};

}  // namespace

Result<MergeCounts> mergeCaches(const std::string& directory, const std::vector<std::string>& from) {
  auto folder = TrustedFolder::make(directory);
  if (!folder) return folder.error();
  for (const std::string& path : from) {
    std::string name = fs::path(path).filename();
    std::error_code code;
    bool known = fs::is_directory(path, code) || (fs::is_regular_file(path, code) && (name == kRecordFile || name == kJournalFile));
    if (!known)
      return badInput(fmt::format("{}: neither a cache directory nor a {} or {} of one", escaped(path), kRecordFile, kJournalFile));
  }
  Merger merger(*folder);
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
  return merger.counts();
}

}  // namespace quern
