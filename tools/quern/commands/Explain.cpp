// tools/quern/commands/Explain.cpp — `quern explain OP`: why this schedule.
#include "compiler/base/Text.h"
#include "tools/quern/cli/Json.h"
#include "tools/quern/commands/Command.h"
#include "tools/quern/cli/Library.h"
#include "tuner/Explain.h"

#include <cmath>
#include <fmt/format.h>

namespace quern {

static const CommandInfo kExplainInfo = {"explain", "OP",
                                         "why an op runs with its schedule: the space, what became of each schedule, the bound it hits",
                                         "  quern explain matmul m=512 n=512 k=512 const=b\n"
                                         "  quern explain gelu x=100000 --json -\n"
                                         "  quern explain matmul m=64 n=64 k=64 --cpu haswell\n"};

namespace {

constexpr size_t kShown = 12;  ///< candidates in the text; all are in the JSON

std::string percent(double part) { return fmt::format("{:.0f} %", 100 * part); }

std::string countsText(const Explanation& e) {
  std::string out = fmt::format("space     {} schedules: {} combinations of its values, the default{}\n", e.space, e.account.combinations,
                                e.outside > 1 ? fmt::format(", {} tried around winners", e.outside - 1) : "");
  out += fmt::format("pruned    {}\n", e.pruned);
  for (const auto& [rule, count] : e.account.pruned) out += fmt::format("          {:>7}  {}\n", count, rule);
  int64_t failed = 0;
  for (const auto& [reason, count] : e.failed) failed += count;
  out += fmt::format("failed    {}\n", failed);
  for (const auto& [reason, count] : e.failed) out += fmt::format("          {:>7}  {}\n", count, reason);
  out += fmt::format("measured  {}\nuntried   {}", e.measured, e.untried);
  return out + (e.account.neverEnumerated == "0" ? "\n" : fmt::format(", of which {} were never enumerated\n", e.account.neverEnumerated));
}

/// The fastest but the one that runs.
const ExplainedCandidate* runnerUp(const Explanation& e) {
  for (const ExplainedCandidate& candidate : e.candidates)
    if (candidate.ratio.median > 0 && candidate.schedule != text(e.choice.schedule)) return &candidate;
  return nullptr;
}

const ExplainedCandidate* chosen(const Explanation& e) {
  for (const ExplainedCandidate& candidate : e.candidates)
    if (candidate.ratio.median > 0 && candidate.schedule == text(e.choice.schedule)) return &candidate;
  return nullptr;
}

std::string orderText(const OrderFigures& order) {
  if (std::isnan(order.fitted)) return "";
  std::string out = fmt::format("fitted and measured agree in order by {:.2f} (Spearman, {} schedules, each fitted to all others)\n",
                                order.fitted, order.schedules);
  for (auto [value, how] : {std::pair(order.others, "fitted to other ops alone"),
                            {order.costs, "by the cost model alone"},
                            {order.met, "as predicted when each was met"},
                            {order.repeat, "by times measured again"}})
    if (!std::isnan(value)) out += fmt::format("    {:.2f}  {}\n", value, how);
  return out;
}

std::string verdictText(const Explanation& e) {
  const ExplainedCandidate *own = chosen(e), *next = runnerUp(e);
  if (own == nullptr) return "never timed here: the cost model orders what `quern tune` would try\n";
  std::string out = fmt::format("predicted {:.3g} of the default's time, measured {:.3f} ({:.3f} to {:.3f}, {} pairs)\n", own->fitted,
                                own->ratio.median, own->ratio.low, own->ratio.high, own->pairs);
  if (e.ns > 0) {
    double ns = e.ns * own->ratio.median, flops = meanOf(e.item, [](const OpDesc& bound) { return flopsOf(bound); });
    out += fmt::format("one call {}{}{}\n", humanTime(ns), e.at.empty() ? "" : " at " + e.at,
                       flops > 0 ? fmt::format(", {:.1f} GFLOP/s", flops / ns) : "");
  }
  if (next != nullptr)
    out += fmt::format("runner-up {:.3f} of the default's time: {}{}\n", next->ratio.median, next->schedule,
                       next->outcome == "default" ? " (the default)" : "");
  return out + orderText(e.order);
}

std::string candidatesText(const Explanation& e) {
  if (e.candidates.empty()) return "";
  std::string out = "\npredicted  fitted  measured  interval         schedule: outcome\n";
  for (size_t i = 0; i < e.candidates.size(); ++i) {
    const ExplainedCandidate& c = e.candidates[i];
    if (i == kShown) return out + fmt::format("... and {} more: --json -\n", e.candidates.size() - i);
    bool timed = c.ratio.median > 0;
    out += fmt::format("{:>9.3f}  {:>6}  {:>8}  {:<15}  {}: {}\n", c.predicted, c.fitted > 0 ? fmt::format("{:.3f}", c.fitted) : "",
                       timed ? fmt::format("{:.3f}", c.ratio.median) : "",
                       timed ? fmt::format("{:.3f} .. {:.3f}", c.ratio.low, c.ratio.high) : "", c.schedule, c.outcome);
  }
  return out;
}

/// Which schedule runs for calls up to which size, with what it gains there over the default's choice and over the one for all sizes.
std::string sizesText(const Explanation& e) {
  if (e.choice.sized.empty()) return "";
  std::string out = "\nrows up to  keys up to  vs default  vs main  schedule\n";
  auto most = [](int64_t count) { return count > 0 ? fmt::format("{}", count) : std::string("any"); };
  auto times = [](double ratio) { return ratio > 0 ? fmt::format("{:.2f}x", ratio) : std::string("-"); };
  double worst = 1;
  for (const SizeClass& small : e.choice.sized) {
    double ratio = 0, regret = 0;
    if (const TuningRecord* record = decisionFor(e, small)) ratio = record->ratio, regret = record->regret;
    worst = std::max(worst, regret);
    out += fmt::format("{:>10}  {:>10}  {:>10}  {:>7}  {}\n", most(small.most.rows), most(small.most.keys), times(ratio), times(regret),
                       text(small.schedule));
  }
  return worst > 1 ? out + fmt::format("one schedule for all sizes would take up to {:.2f}x the time of these\n", worst) : out;
}

std::string textOf(const Explanation& e, const Target& target) {
  Bound bound = boundOf(e.cost);
  std::string out = fmt::format("{}\ncpu {}\n{} ({}){}\n\n", text(e.op), target.name, text(e.choice.schedule), e.choice.from,
                                e.date.empty() ? "" : ", tuned last " + e.date);
  out += verdictText(e);
  out += fmt::format("bound     {} take {} of its predicted time: {}\n\n", bound.what, percent(bound.part), text(e.cost));
  out += countsText(e);
  return out + sizesText(e) + candidatesText(e);
}

Json jsonOf(const Explanation& e, const Target& target) {
  Json candidates = Json::array(), table = Json::array(), pruned = Json::object(), failedBy = Json::object();
  for (const ExplainedCandidate& c : e.candidates)
    candidates.push_back({{"schedule", c.schedule},
                          {"predicted", c.predicted},
                          {"fitted", c.fitted},
                          {"ratio", c.ratio.median},
                          {"low", c.ratio.low},
                          {"high", c.ratio.high},
                          {"pairs", c.pairs},
                          {"outcome", c.outcome}});
  for (const SizeClass& small : e.choice.sized) {
    Json row = {{"rows", small.most.rows}, {"keys", small.most.keys}, {"schedule", text(small.schedule)}};
    if (const TuningRecord* record = decisionFor(e, small)) row["speed_vs_default"] = record->ratio, row["regret"] = record->regret;
    table.push_back(std::move(row));
  }
  int64_t failed = 0;
  for (const auto& [rule, count] : e.account.pruned) pruned[rule] = count;
  for (const auto& [reason, count] : e.failed) failedBy[reason] = count, failed += count;
  Bound bound = boundOf(e.cost);
  Json json = {{"op", text(e.op)},
               {"cpu", target.name},
               {"schedule", text(e.choice.schedule)},
               {"schedule_from", e.choice.from},
               {"at", e.at},
               {"counts",
                {{"space", e.space},
                 {"pruned", e.pruned},
                 {"failed", std::to_string(failed)},
                 {"measured", std::to_string(e.measured)},
                 {"untried", e.untried},
                 {"never_enumerated", e.account.neverEnumerated}}},
               {"pruned_by", pruned},
               {"failed_by", failedBy},
               {"bound", {{"what", bound.what}, {"part", bound.part}}},
               {"warm_ns", e.ns},
               {"candidates", candidates},
               {"table", table}};
  for (auto [key, value] : {std::pair("spearman", e.order.fitted),
                            {"spearman_others", e.order.others},
                            {"spearman_costs", e.order.costs},
                            {"spearman_met", e.order.met},
                            {"spearman_repeat", e.order.repeat}})
    if (!std::isnan(value)) json[key] = value;
  return json;
}

}  // namespace

static Result<int> runExplain(std::vector<std::string> args) {
  CommandLine line(kExplainInfo, std::move(args));
  line.common({"cpu", "cache", "json"}).value("space", "FILE", "default", "search space: a name in configs/tune or a TOML file");
  auto go = ready(line);
  if (!go || !*go) return go ? Result<int>(0) : Result<int>(go.error());
  if (line.words().empty()) return badCommand("explain: an OP is needed, such as: quern explain matmul m=64 n=64 k=64");
  auto entry = opFromWords(line.words());
  if (!entry) return entry.error();
  auto library = libraryOf(line, false);
  if (!library) return library.error();
  auto space = readSearchSpace(line.get("space"));
  if (!space) return space.error();
  const std::vector<std::string>& directories = (*library)->cache().directories();
  auto journal = Journal::open(directories.empty() ? "" : directories[0]);
  if (!journal) return journal.error();
  auto explained = explain(**library, *space, entry->op, *journal);
  if (!explained) return explained.error();
  if (line.has("json"))
    if (auto good = writeResult(jsonText(jsonOf(*explained, (*library)->target())), line.get("json")); !good) return good.error();
  if (line.get("json") != "-")
    if (auto good = writeResult(textOf(*explained, (*library)->target())); !good) return good.error();
  return 0;
}

Command explainCommand() { return {kExplainInfo, runExplain}; }

}  // namespace quern
