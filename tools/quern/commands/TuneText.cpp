// tools/quern/commands/TuneText.cpp — see TuneText.h.
#include "tools/quern/commands/TuneText.h"

#include "compiler/base/Text.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <map>
#include <set>

namespace quern {

TuneSummary summaryOf(const std::vector<TuneOutcome>& outcomes) {
  TuneSummary s;
  double logs = 0, before = 0, after = 0;
  for (const TuneOutcome& o : outcomes) {
    ++s.ops;
    s.before += o.skipped;
    s.beforeElsewhere += !o.tunedAt.empty();
    if (!o.tunedAt.empty()) s.elsewhere = o.tunedAt;
    s.unreached += !o.reached;
    if (o.medianNs > 0) after += o.calls * o.medianNs, before += o.calls * o.medianNs * o.speedup;
    if (o.skipped || !o.reached) continue;
    s.noisy += !o.noise.empty();
    if (!o.noise.empty()) s.noise = o.noise;
    s.cutShort += !o.finished;
    if (o.medianNs == 0) {
      ++s.untimed;
    } else if (o.speedup > 1) {
      s.leastGain = s.faster == 0 ? o.speedup : std::min(s.leastGain, o.speedup);
      s.mostGain = std::max(s.mostGain, o.speedup);
      logs += std::log(o.speedup);
      ++s.faster;
    } else if (o.finished) {
      ++s.stands;
      s.tried += static_cast<int64_t>(o.candidates.size());
      if (o.ratio.low > 0) s.within = std::max(s.within, 1 / o.ratio.low - 1);
    }
  }
  if (s.faster > 0) s.meanGain = std::exp(logs / static_cast<double>(s.faster));
  if (after > 0) s.workloadGain = before / after;
  return s;
}

std::string text(const TuneSummary& s) {
  std::string out;
  if (s.faster > 0)
    out += fmt::format("{} faster than by default: by {:.2f}x to {:.2f}x, {:.2f}x in the geometric mean\n", counted(s.faster, "op"),
                       s.leastGain, s.mostGain, s.meanGain);
  if (s.stands > 0)
    out += fmt::format("{} at the default: the best of {} tried; none is faster by more than {:.1f} % (95 % certain)\n",
                       counted(s.stands, "op"), counted(static_cast<size_t>(s.tried), "schedule"), 100 * s.within);
  if (s.noisy > 0)
    out += fmt::format("{} with low confidence: {}; tune again (--again) when it is quiet\n", counted(s.noisy, "op"), s.noise);
  if (s.untimed > 0) out += fmt::format("{} predicted, not timed: nothing is recorded\n", counted(s.untimed, "op"));
  if (s.cutShort > 0) out += fmt::format("{} cut short: the same command goes on\n", counted(s.cutShort, "op"));
  if (s.unreached > 0) out += fmt::format("{} not reached\n", counted(s.unreached, "op"));
  if (s.before > 0) out += fmt::format("{} tuned before: --again looks again\n", counted(s.before, "op"));
  if (s.beforeElsewhere > 0)
    out += fmt::format("{} of them in another regime ({}): --again, --cache-state or --threads tunes for this one\n", s.beforeElsewhere,
                       s.elsewhere);
  if (s.ops > 1 && s.workloadGain != 1) out += fmt::format("the whole, by calls times time: {:.2f}x\n", s.workloadGain);
  return out;
}

/// A row's first cell: a ratio only where something was measured against the default.
static std::string speedText(const TuneOutcome& o) {
  if (o.skipped) return "tuned before";
  if (!o.reached) return "not reached";
  return o.candidates.empty() ? "default" : fmt::format("{:.2f}x", o.speedup);
}

std::string tableOf(const std::vector<TuneOutcome>& outcomes) {
  std::string out = "speed vs default  one call   tried  op | schedule\n";
  for (const TuneOutcome& o : outcomes) {
    bool blank = o.skipped || !o.reached;
    out += fmt::format("{:>16}  {:>9}  {:>6}  {}", speedText(o),
                       blank            ? ""
                       : o.medianNs > 0 ? humanTime(o.medianNs)
                                        : "-",
                       blank ? "" : std::to_string(o.candidates.size()), o.op);
    out += blank ? "\n"
                 : fmt::format(" | {}{}{}\n", o.schedule, o.finished ? "" : "  (cut short)", o.noise.empty() ? "" : "  (low confidence)");
  }
  return out;
}

static Json jsonOf(const TuneSummary& s) {
  return {{"ops", s.ops},
          {"faster", s.faster},
          {"default_stands", s.stands},
          {"cut_short", s.cutShort},
          {"not_reached", s.unreached},
          {"low_confidence", s.noisy},
          {"tuned_before", s.before},
          {"tuned_before_in_another_regime", s.beforeElsewhere},
          {"geomean_of_faster", s.meanGain},
          {"default_within", s.within},
          {"workload_gain", s.workloadGain}};
}

Json jsonOf(const std::vector<TuneOutcome>& outcomes) {
  Json rows = Json::array();
  for (const TuneOutcome& o : outcomes) {
    Json candidates = Json::array();
    for (const CandidateResult& c : o.candidates)
      candidates.push_back({{"schedule", c.schedule},
                            {"predicted", c.predicted},
                            {"ratio", c.ratio.median},
                            {"low", c.ratio.low},
                            {"high", c.ratio.high},
                            {"pairs", c.pairs},
                            {"outcome", c.outcome}});
    rows.push_back({{"op", o.op},
                    {"schedule", o.schedule},
                    {"speedup", o.speedup},
                    {"ratio_low", o.ratio.low},
                    {"ratio_high", o.ratio.high},
                    {"warm_ns", o.medianNs},
                    {"reached", o.reached},
                    {"finished", o.finished},
                    {"skipped", o.skipped},
                    {"unconfirmed", o.unconfirmed},
                    {"noise", o.noise},
                    {"candidates", candidates}});
  }
  return {{"rows", rows}, {"summary", jsonOf(summaryOf(outcomes))}};
}

static std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (char c : text) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + "\"";
}

std::string samplesCsv(const Journal& journal, const std::vector<TuneOutcome>& outcomes) {
  std::set<std::string> ops;
  for (const TuneOutcome& o : outcomes) ops.insert(recordValue(o.op));
  std::map<std::string, TuneQuestion> runs;
  std::map<std::string, int> turns;
  std::string out = "op,at,anchor,schedule,turn,pair,ratio,anchor_ns\n";
  for (const JournalLine& line : journal.lines([&](const TuneQuestion& q) { return ops.contains(q.op); })) {
    if (line.kind == JournalLine::Kind::Run) runs[line.run] = line.question;
    if (line.kind != JournalLine::Kind::Turn) continue;
    const TuneQuestion& question = runs[line.run];
    int turn = ++turns[line.run + line.schedule];
    for (size_t pair = 0; pair < line.ratios.size(); ++pair)
      out += fmt::format("{},{},{},{},{},{},{},{}\n", quoted(question.op), quoted(question.at), quoted(question.anchor),
                         quoted(line.schedule), turn, pair + 1, shortest(line.ratios[pair]), shortest(line.ns));
  }
  return out;
}

}  // namespace quern
