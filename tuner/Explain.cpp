// tuner/Explain.cpp — see Explain.h.
#include "tuner/Explain.h"

#include "compiler/base/Text.h"
#include "compiler/op/Workload.h"
#include "tuner/Experience.h"

#include <algorithm>
#include <boost/multiprecision/cpp_int.hpp>
#include <cmath>
#include <fmt/format.h>
#include <limits>
#include <numeric>
#include <set>

namespace quern {

namespace {

/// What the journal says of one op on one CPU with this generator, in the regime it was tuned in last: of each schedule the newest of
/// everything. What would be out in any regime is of all of them.
struct Known {
  std::map<std::string, JournalLine> met;
  std::map<std::string, std::vector<double>> ratios;  ///< against the default, in the newest run that timed it
  std::map<std::string, std::string> again;           ///< found wrong after it was timed
  double ns = 0;
  std::string at;  ///< the newest run's regime
  std::string date;
};

Known knownOf(const Journal& journal, const TuneQuestion& asked) {
  Known known;
  std::map<std::string, std::string> timedIn;  // schedule: the run its ratios are of
  // Only of the op as a whole: what was tried for small calls is timed against another kernel at other sizes.
  auto wanted = [&](const TuneQuestion& q) {
    return q.op == asked.op && q.cpu == asked.cpu && q.generator == asked.generator && q.anchor == asked.anchor &&
           q.effort.find(' ') == std::string::npos;
  };
  std::vector<JournalLine> lines = journal.lines(wanted);
  std::set<std::string> runs;  // in that regime
  for (const JournalLine& line : lines)
    if (line.kind == JournalLine::Kind::Run) known.date = line.date, known.at = line.question.at;
  for (JournalLine& line : lines) {
    if (line.kind == JournalLine::Kind::Run && line.question.at == known.at) runs.insert(line.run);
    bool out = line.kind == JournalLine::Kind::Met && lasting(line.outcome);
    if (!out && !runs.contains(line.run)) continue;
    if (line.kind == JournalLine::Kind::Met) known.met[line.schedule] = line;
    if (line.kind == JournalLine::Kind::Again && !line.outcome.empty()) known.again[line.schedule] = line.outcome;
    if (line.kind != JournalLine::Kind::Turn) continue;
    std::vector<double>& ratios = known.ratios[line.schedule];
    if (timedIn[line.schedule] != line.run) ratios.clear();
    timedIn[line.schedule] = line.run;
    ratios.insert(ratios.end(), line.ratios.begin(), line.ratios.end());
    known.ns = line.ns;
  }
  return known;
}

std::string judged(const Spread& ratio) {
  return ratio.median == 0 ? "met, not timed" : ratio.high < 1 ? "faster" : ratio.low > 1 ? "slower" : "no difference";
}

/// A schedule that is out: its reason, numbers left out, so that reasons can be counted.
std::string reasonOf(const std::string& outcome) {
  if (outcome.starts_with("same code as")) return "same code as another schedule";
  if (outcome.starts_with("wrong")) return "wrong";
  std::string reason = ruleOf(outcome);
  constexpr size_t kLong = 60;
  return reason.substr(0, kLong);
}

/// Ranks from 1; those that are equal share the mean of theirs.
std::vector<double> ranksOf(const std::vector<double>& values) {
  std::vector<size_t> order(values.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return values[a] < values[b]; });
  std::vector<double> ranks(values.size());
  for (size_t at = 0; at < order.size();) {
    size_t end = at;
    while (end < order.size() && values[order[end]] == values[order[at]]) ++end;
    for (size_t i = at; i < end; ++i) ranks[order[i]] = static_cast<double>(at + end + 1) / 2;
    at = end;
  }
  return ranks;
}

/// Of times measured twice as often as each half of theirs (Spearman and Brown): what half of a sample says of the other.
double repeatOf(const std::vector<std::vector<double>>& ratios) {
  std::vector<std::pair<double, double>> halves;
  for (const std::vector<double>& each : ratios) {
    std::vector<double> even, odd;
    for (size_t i = 0; i < each.size(); ++i) (i % 2 == 0 ? even : odd).push_back(each[i]);
    if (!odd.empty()) halves.emplace_back(spreadOf(even).median, spreadOf(odd).median);
  }
  double half = spearmanOf(halves);
  return half > 0 ? 2 * half / (1 + half) : half;
}

/// Fits the costs without this op, and without each of its schedules.
void addOrder(Explanation& e, const Known& known, const TuneQuestion& asked, const Journal& journal, const Target& target) {
  std::vector<OpExperience> all = experienceOf(journal, e.op, target), others;
  const OpExperience* own = nullptr;
  for (const OpExperience& each : all) {
    if (each.op != asked.op) others.push_back(each);
    else if (each.at == known.at) own = &each;
  }
  if (own == nullptr) return;
  FittedOrder without(own->context, others, target), with(own->context, std::move(others), target);
  std::vector<std::pair<ExplainedCandidate*, FitPoint>> timed;
  std::vector<Schedule> schedules;
  std::vector<std::vector<double>> ratios;
  for (ExplainedCandidate& candidate : e.candidates) {
    auto found = own->schedules.find(candidate.schedule);
    auto schedule = parseSchedule(candidate.schedule, own->context.bound, target);
    if (candidate.ratio.median == 0 || found == own->schedules.end() || !schedule) continue;
    with.took(*schedule, candidate.ratio, candidate.pairs);
    schedules.push_back(*schedule);
    ratios.push_back(known.ratios.at(candidate.schedule));
    timed.emplace_back(&candidate, found->second.point);
  }
  std::vector<CostFit::Guess> alone = without.guess(schedules), leftOut = with.leftOut();
  std::vector<std::pair<double, double>> fitted, fromOthers, costs, met;
  for (size_t i = 0; i < timed.size(); ++i) {
    ExplainedCandidate& candidate = *timed[i].first;
    candidate.fitted = leftOut[i].ratio;
    fitted.emplace_back(leftOut[i].ratio, candidate.ratio.median);
    fromOthers.emplace_back(alone[i].ratio, candidate.ratio.median);
    costs.emplace_back(timed[i].second.guess, candidate.ratio.median);
    met.emplace_back(candidate.predicted, candidate.ratio.median);
  }
  e.order = {spearmanOf(fitted), spearmanOf(fromOthers), spearmanOf(costs), spearmanOf(met), repeatOf(ratios), timed.size()};
}

}  // namespace

double spearmanOf(const std::vector<std::pair<double, double>>& pairs) {
  constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
  if (pairs.size() < 3) return kNone;
  std::vector<double> first, second;
  for (auto [a, b] : pairs) first.push_back(a), second.push_back(b);
  std::vector<double> a = ranksOf(first), b = ranksOf(second);
  double mean = static_cast<double>(pairs.size() + 1) / 2, ab = 0, aa = 0, bb = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    ab += (a[i] - mean) * (b[i] - mean);
    aa += (a[i] - mean) * (a[i] - mean);
    bb += (b[i] - mean) * (b[i] - mean);
  }
  return aa == 0 || bb == 0 ? kNone : ab / std::sqrt(aa * bb);
}

const TuningRecord* decisionFor(const Explanation& e, const SizeClass& small) {
  auto decides = [&](const TuningRecord& record) { return record.most == small.most && record.schedule == text(small.schedule); };
  auto found = std::find_if(e.sizes.begin(), e.sizes.end(), decides);
  return found == e.sizes.end() ? nullptr : &*found;
}

Bound boundOf(const ScheduleCost& cost) {
  constexpr const char* kLevels[] = {"reads from L1", "reads from L2", "reads from L3", "reads from memory"};
  double total = std::max(cost.cycles, 1e-30);
  Bound bound{"arithmetic and loads from registers and L1", cost.slots / total};
  for (size_t level = 0; level < cost.bytes.size(); ++level)
    if (double part = cyclesOf(cost.bytes[level], level) / total; part > bound.part) bound = {kLevels[level], part};
  double rest = (total - overlapped(cost)) / total;
  if (rest > bound.part) bound = {"handing out tasks", rest};
  bound.part = std::min(bound.part, 1.0);
  return bound;
}

Result<Explanation> explain(KernelLibrary& library, const SearchSpace& space, const OpDesc& op, const Journal& journal) {
  Explanation e;
  e.op = op;
  auto choice = library.choose(op);
  if (!choice) return choice.error();
  e.choice = *choice;
  const Target& target = library.target();
  Schedule base = defaultSchedule(op, target);
  TuneQuestion asked = asWritten({text(op), "", text(base), tuningCpu(target), kernelKey(op, base, target).generator, ""});
  Known known = knownOf(journal, asked);
  e.item.op = op, e.item.sample = usualDims(op);
  if (auto item = parseRegime(op, known.at)) e.item = *item;
  e.at = regimeOf(e.item);
  e.account = accountOf(space, op, e.item.sample, target);
  for (TuningRecord& record : library.tuning().sizeClasses(op, target)) {
    auto schedule = parseSchedule(record.schedule, op, target);
    if (!schedule) continue;
    record.schedule = text(*schedule);  // an older program's may leave keys out
    e.sizes.push_back(std::move(record));
  }
  OpDesc bound = fixed(op, e.item.sample);
  e.cost = costOf(choice->schedule, bound, target);
  e.defaultCost = costOf(base, bound, target);

  e.ns = known.ns;
  e.date = known.date;
  for (const auto& [schedule, met] : known.met) {
    ExplainedCandidate candidate{schedule, met.predicted, 0, spreadOf(known.ratios[schedule]), known.ratios[schedule].size(), met.outcome};
    if (auto wrong = known.again.find(schedule); wrong != known.again.end()) candidate.outcome = wrong->second;
    if (candidate.outcome.empty()) candidate.outcome = judged(candidate.ratio);
    else candidate.ratio = {};
    bool out = candidate.ratio.median == 0 && candidate.outcome != "met, not timed";
    if (out) ++e.failed[reasonOf(candidate.outcome)];
    e.measured += candidate.ratio.median > 0;
    e.candidates.push_back(std::move(candidate));
  }
  addOrder(e, known, asked, journal, target);
  if (e.measured > 0) e.candidates.push_back({text(base), 1, 1, {1, 1, 1}, 0, "default"}), ++e.measured;
  std::stable_sort(e.candidates.begin(), e.candidates.end(), [](const ExplainedCandidate& a, const ExplainedCandidate& b) {
    auto key = [](const ExplainedCandidate& c) { return c.ratio.median > 0 ? c.ratio.median : std::numeric_limits<double>::infinity(); };
    return key(a) < key(b);
  });

  // The counts. The default is no combination, nor are those that were tried around winners.
  using Count = boost::multiprecision::cpp_int;
  std::set<std::string> combinations;
  for (size_t i = 1; i < e.account.candidates.size(); ++i) combinations.insert(text(e.account.candidates[i].schedule));
  e.outside = 1;
  for (const auto& [schedule, met] : known.met) e.outside += combinations.contains(schedule) ? 0 : 1;
  Count pruned = 0, failed = 0, all = Count(e.account.combinations) + e.outside;
  for (const auto& [rule, count] : e.account.pruned) pruned += count;
  for (const auto& [reason, count] : e.failed) failed += count;
  e.space = all.str();
  e.pruned = pruned.str();
  e.untried = Count(all - pruned - failed - e.measured).str();
  return e;
}

}  // namespace quern
