// tuner/SizeTable.cpp — see SizeTable.h.
#include "tuner/SizeTable.h"

#include "tuner/check/Certify.h"

#include <algorithm>

namespace quern {

std::vector<std::pair<SizeBound, DimValues>> tunedSizes(const WorkloadItem& item) {
  constexpr int64_t kRows[] = {1, 2, 4, 8, 16}, kKeys[] = {32, 128, 512, 2048};
  constexpr int64_t kFewRows[] = {4, 16};  // whatever the keys: a token of several texts, drafts
  SizeDims names = sizeDimsOf(item.op);
  std::vector<std::pair<SizeBound, DimValues>> sizes;
  auto add = [&](int64_t rows, int64_t keys) {
    DimValues dims = item.sample;
    if (rows > 0) dims[names.rows] = rows;
    if (keys > 0) dims[names.keys] = keys;
    // Causal rows have as many keys at least.
    if (!names.rows.empty() && !names.keys.empty() && dims[names.rows] > dims[names.keys]) dims[names.rows] = dims[names.keys];
    // A sample of few rows meets some sizes twice: the first decides.
    bool known = std::any_of(sizes.begin(), sizes.end(), [&](const auto& size) { return size.second == dims; });
    if (!known) sizes.push_back({{rows, keys}, dims});
  };
  if (names.keys.empty()) {
    if (!names.rows.empty())
      for (int64_t rows : kRows) add(rows, 0);
    return sizes;
  }
  auto addKeys = [&](int64_t rows) {
    for (int64_t keys : kKeys)
      if (keys < item.sample.at(names.keys)) add(rows, keys);
  };
  if (!names.rows.empty()) {
    addKeys(1);
    add(1, 0);
    for (int64_t rows : kFewRows)
      if (rows < item.sample.at(names.rows)) add(rows, 0);
  }
  addKeys(0);
  return sizes;
}

void leaveOutRepeats(std::vector<TuningRecord>& records, const std::string& base, bool someNeeded) {
  // Calls at the bounds, and above all of them, stand for all calls: between two bounds the table decides alike.
  std::vector<int64_t> rows = {INT64_MAX}, keys = {INT64_MAX};
  for (const TuningRecord& record : records) rows.push_back(record.most.rows), keys.push_back(record.most.keys);
  auto firstFor = [&](size_t from, int64_t rowCount, int64_t keyCount) {
    while (from < records.size() && !records[from].most.covers(rowCount, keyCount)) ++from;
    return from;
  };
  auto needed = [&](size_t i) {
    for (int64_t r : rows)
      for (int64_t k : keys) {
        if (r == 0 || k == 0 || firstFor(0, r, k) != i) continue;
        size_t next = firstFor(i + 1, r, k);
        if ((next < records.size() ? records[next].schedule : base) != records[i].schedule) return true;
      }
    return false;
  };
  for (size_t i = records.size(); i > 0; --i) {
    bool last = someNeeded && records.size() == 1;  // no records would mean: the defaults
    if (!last && !needed(i - 1)) records.erase(records.begin() + static_cast<std::ptrdiff_t>(i - 1));
  }
}

Result<SizeTable> tuneSizes(const OpContest::Tools& tools, const SearchSpace& space, const WorkloadItem& item, const Schedule& base,
                            const TuneOptions& options, const TuneTimes& times, const TuneProgress& progress) {
  SizeTable table, cutShort;
  cutShort.finished = false;
  if (options.effort == Effort::Estimate) return table;
  const Target& target = tools.library.target();
  std::vector<SizeClass> defaults = defaultSizeClasses(item.op, base, target);
  std::vector<Schedule> first = {base};
  std::vector<std::pair<SizeBound, DimValues>> sizes = tunedSizes(item);
  for (size_t i = 0; i < sizes.size(); ++i) {
    const auto& [most, dims] = sizes[i];
    if (times.candidates.asked()) return cutShort;
    TuneTimes own{times.candidates.within(times.candidates.secondsLeft() / static_cast<double>(sizes.size() - i)), times.all};
    WorkloadItem small = item;
    small.sample = dims;
    small.sizes.clear();
    const SizeClass* before = classFor(defaults, item.op, dims);
    const Schedule& anchor = before == nullptr ? base : before->schedule;
    OpContest contest(tools, small, options, own);
    // As many rows as the sample's want what many rows want; fewer have a space of their own.
    std::vector<Candidate> candidates = most.rows > 0 ? narrowCandidatesOf(space, base, item.op, dims, target, times.candidates)
                                                      : candidatesOf(space, item.op, dims, target, times.candidates);
    auto outcome = contest.runSmall(first, std::move(candidates), anchor, progress);
    if (!outcome) return outcome.error();
    if (!outcome->reached || outcome->medianNs == 0) return cutShort;
    table.finished = table.finished && outcome->finished;
    TuningRecord record = contest.record();
    record.most = most;
    record.regret = contest.timeOver(base);
    table.records.push_back(std::move(record));
    table.closings.push_back(contest.closing());
    table.verified.emplace_back(contest.winner(), contest.certificate(kSmallCalls));
    if (std::find(first.begin(), first.end(), contest.winner()) == first.end()) first.push_back(contest.winner());
  }
  std::stable_sort(table.records.begin(), table.records.end(),
                   [](const TuningRecord& a, const TuningRecord& b) { return a.most < b.most; });
  leaveOutRepeats(table.records, text(base), !defaults.empty());
  return table;
}

}  // namespace quern
