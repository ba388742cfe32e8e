// tools/quern/commands/ReportFill.cpp — see ReportFill.h.
#include "tools/quern/commands/ReportFill.h"

#include "compiler/base/Text.h"

#include <algorithm>
#include <fmt/format.h>

namespace quern {

namespace {

Interval scaled(const Interval& ratio, double ns) { return {ns * ratio.middle, ns * ratio.low, ns * ratio.high}; }

Interval intervalOf(const Spread& spread) { return {spread.median, spread.low, spread.high}; }

/// Default and tuned, or the best that was tried where the default stands; then peers that were timed beside one of the two.
CallGroup ownCalls(const OpFacts& facts, const std::string& byDefault) {
  CallGroup group;
  if (!(facts.defaultNs > 0)) return group;
  group.bars.push_back({CallBar::Of::Default, "default", {facts.defaultNs, 0, 0}});
  if (facts.schedule != byDefault) {
    if (facts.ratio.middle > 0) group.bars.push_back({CallBar::Of::Tuned, facts.from, scaled(facts.ratio, facts.defaultNs)});
    return group;
  }
  for (const CandidateFacts& c : facts.candidates)
    if (c.ratio.middle > 0 && c.schedule != byDefault) {
      group.bars.push_back({CallBar::Of::Tried, "best tried", scaled(c.ratio, facts.defaultNs)});
      break;
    }
  return group;
}

/// What was benched at other sizes, on more threads or with another schedule stands by itself.
CallGroup benchedCalls(const BenchedRow& row) {
  CallGroup group;
  group.note = fmt::format("beside other libraries{}, {}", row.note.empty() ? "" : ", " + row.note,
                           counted(static_cast<size_t>(std::max<int64_t>(1, row.threads)), "thread"));
  group.bars.push_back({CallBar::Of::Tuned, "quern", row.ns});
  for (const BenchedPeer& peer : row.peers) group.bars.push_back({CallBar::Of::Peer, peer.name, scaled(peer.ratio, row.ns.middle)});
  return group;
}

std::vector<CallGroup> callsOf(const OpFacts& facts, const OpDesc& op, const std::string& byDefault,
                               const std::vector<BenchedRow>& benched) {
  std::vector<CallGroup> groups;
  CallGroup own = ownCalls(facts, byDefault);
  for (const BenchedRow& row : benched) {
    bool same = row.threads == 1 && runtimeDims(op).empty() && !own.bars.empty();
    double beside = row.schedule == facts.schedule ? facts.ns() : row.schedule == byDefault ? facts.defaultNs : 0;
    if (!same || beside == 0) {
      groups.push_back(benchedCalls(row));
      continue;
    }
    for (const BenchedPeer& peer : row.peers) {
      std::erase_if(own.bars, [&](const CallBar& bar) { return bar.of == CallBar::Of::Peer && bar.name == peer.name; });
      own.bars.push_back({CallBar::Of::Peer, peer.name, scaled(peer.ratio, beside)});
    }
  }
  if (!own.bars.empty()) groups.insert(groups.begin(), std::move(own));
  return groups;
}

void fillCandidates(OpFacts& facts, const Explanation& e, const std::string& byDefault) {
  for (const ExplainedCandidate& c : e.candidates) {
    CandidateFacts candidate{c.schedule, c.outcome, c.fitted > 0 ? c.fitted : c.predicted, intervalOf(c.ratio),
                             c.schedule == facts.schedule};
    if (candidate.runs && c.ratio.median > 0) facts.ratio = candidate.ratio;
    if (!candidate.runs && c.ratio.median > 0 && facts.runnerUp.empty()) {
      facts.runnerUp = c.schedule;
      facts.runnerUpAs = c.schedule == byDefault ? "the default" : fmt::format("{:.3f} of the default's time", c.ratio.median);
    }
    facts.candidates.push_back(std::move(candidate));
  }
}

void fillCounts(OpFacts& facts, const Explanation& e) {
  int64_t failed = 0;
  for (const auto& [rule, count] : e.account.pruned) facts.prunedBy.emplace_back(rule, std::to_string(count));
  for (const auto& [reason, count] : e.failed) facts.failedBy.emplace_back(reason, std::to_string(count)), failed += count;
  facts.space = e.space, facts.pruned = e.pruned, facts.untried = e.untried;
  facts.failed = std::to_string(failed), facts.measured = std::to_string(e.measured);
}

void fillRows(OpFacts& facts, const Explanation& e) {
  for (const SizeClass& small : e.choice.sized) {
    RowFacts row{text(small.most), text(small.schedule), 0, 0};
    if (const TuningRecord* record = decisionFor(e, small)) row.speed = record->ratio, row.regret = record->regret;
    facts.rows.push_back(std::move(row));
  }
}

/// What no journal tells (another machine of this kind tuned it, or a program before this one): the record does, without interval.
void fillFromRecord(OpFacts& facts, const KernelLibrary& library, const OpDesc& op, const TuningDb& tuning) {
  auto decided = tuning.choose(op, library.target());
  if (!decided || decided->pinned) return;
  facts.lowConfidence = decided->record.lowConfidence;
  if (facts.date.empty()) facts.date = decided->record.date;
  if (facts.schedule != decided->schedule || facts.ratio.middle > 0 || !(decided->record.medianNs > 0)) return;
  facts.defaultNs = decided->record.medianNs * decided->record.ratio;
  facts.ratio = {1 / decided->record.ratio, 0, 0};
}

}  // namespace

MachineFacts machineFacts(const Target& target, const Ceilings& ceilings, const std::string& unmeasured) {
  MachineFacts facts;
  facts.cpu = target.name, facts.model = target.model, facts.level = target.level;
  facts.features = join(target.allFeatures(), " ");
  facts.unmeasured = unmeasured;
  if (!unmeasured.empty()) return facts;
  facts.fmaGflops = ceilings.fmaGflops;
  constexpr const char* kNames[Ceilings::kLevels] = {"L1", "L2", "L3", "memory"};
  const int64_t sizes[Ceilings::kLevels] = {target.l1Bytes, target.l2Bytes, target.l3Bytes, 0};
  for (size_t level = 0; level < Ceilings::kLevels; ++level)
    facts.levels.push_back({kNames[level], static_cast<double>(sizes[level]), ceilings.readGBs[level], ceilings.copyGBs[level]});
  return facts;
}

OpFacts opFacts(KernelLibrary& library, const Explanation& e, const Ceilings* ceilings, const std::vector<BenchedRow>& benched) {
  std::string byDefault = text(defaultSchedule(e.op, library.target()));
  OpFacts facts;
  facts.op = text(e.op), facts.at = e.at, facts.schedule = text(e.choice.schedule), facts.from = e.choice.from, facts.date = e.date;
  facts.flops = meanOf(e.item, [](const OpDesc& bound) { return flopsOf(bound); });
  facts.bytes = meanOf(e.item, [](const OpDesc& bound) { return minBytesOf(bound); });
  facts.defaultNs = e.ns;
  facts.leastNs = ceilings != nullptr ? meanOf(e.item, [&](const OpDesc& bound) { return rooflineNs(bound, *ceilings); }) : 0;
  Bound most = boundOf(e.cost);
  facts.bound = fmt::format("{} take {:.0f} % of its predicted time", most.what, 100 * most.part);
  facts.cost = text(e.cost);
  facts.order = {e.order.fitted, e.order.others, e.order.costs, e.order.repeat, e.order.schedules};
  fillCandidates(facts, e, byDefault);
  fillCounts(facts, e);
  fillRows(facts, e);
  fillFromRecord(facts, library, e.op, library.tuning());
  facts.calls = callsOf(facts, e.op, byDefault, benched);
  return facts;
}

}  // namespace quern
