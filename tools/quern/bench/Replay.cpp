// tools/quern/bench/Replay.cpp — see Replay.h.
#include "tools/quern/bench/Replay.h"

#include "compiler/base/Sha256.h"
#include "compiler/base/Text.h"
#include "compiler/target/HostMemory.h"
#include "tuner/search/Duel.h"

#include <algorithm>
#include <fmt/format.h>
#include <map>

namespace quern {

namespace {

/// A model whose ops in `plain` run their defaults, the others what they are tuned to.
Result<std::unique_ptr<Session>> loadWithout(KernelLibrary& library, const ModelSource& source, const std::set<std::string>& plain,
                                             const ModelOptions& options) {
  auto kernels = [&library, plain](const OpDesc& op) { return library.kernels(op, plain.contains(text(op)) ? "default" : ""); };
  return Session::load(source, kernels, options);
}

/// A prompt, or tokens one by one behind it, on one model.
class Run {
public:
  Run(Session& model, bool prompt) : model_(model), prompt_(prompt), logits_(static_cast<size_t>(model.config().vocab)) {
    int64_t most = std::min<int64_t>(kUsualRows, model.context() / 2);
    for (int64_t i = 0; i < 2 * most; ++i) ids_.push_back(static_cast<int32_t>(i * 7919 % model.config().vocab));
    prompt_ = prompt || most < 1;
    rows_ = std::max<int64_t>(1, most);
  }
  void operator()() {
    if (prompt_) {
      good_ = good_ && model_.forward(std::span(ids_).first(static_cast<size_t>(rows_)), 0, 1, logits_.data());
      return;
    }
    constexpr int64_t kTokens = 4;
    for (int64_t i = 0; i < std::min(kTokens, rows_); ++i)
      good_ = good_ && model_.forward(std::span(ids_).subspan(static_cast<size_t>(rows_ + i), 1), rows_ + i, 1, logits_.data());
  }
  bool good() const { return good_; }

private:
  Session& model_;
  bool prompt_, good_ = true;
  int64_t rows_ = 1;
  std::vector<float> logits_;
  std::vector<int32_t> ids_;
};

/// Time with over time without, until it is decided or the time is over.
Spread ratioOf(Session& with, Session& without, const std::string& kind, bool prompt, const ReplaySettings& settings, const Stop& stop) {
  Run a(without, prompt), b(with, prompt);
  a(), b();
  auto once = [&] { return settings.timePairs ? settings.timePairs(kind, prompt, 1) : samplePairs([&] { a(); }, 1, [&] { b(); }, 1, 1); };
  DuelRules rules;
  rules.clearWin = 1;  // what a model's tenth of a percent is, nobody asks; a whole kind is taken back or stays
  Duel duel(rules);
  while (int pairs = duel.wants()) {
    for (int pair = 0; pair < pairs && !stop.asked(); ++pair) duel.took(ratiosOf(once()));
    if (stop.asked()) break;
  }
  return a.good() && b.good() && duel.pairs() >= 5 ? duel.ratio() : Spread();
}

/// Why two copies of the model are not to be had; empty: they are. What a plan takes beside the weights is little.
Result<std::string> whyTooLarge(const ModelSource& source, int64_t freeBytes) {
  auto forward = workloadOf(source, 1);
  if (!forward) return forward.error();
  double bytes = 0;
  for (const WorkloadItem& item : forward->items)
    for (const TensorSpec& spec : inputsOf(fixed(item.op, item.sample)))
      if (spec.weight) bytes += item.calls * static_cast<double>(bytesOf(spec.type, spec.elements()));
  constexpr double kCopies = 2, kPadding = 1.1;  // panels are filled up
  double needed = kCopies * kPadding * bytes;
  auto there = static_cast<double>(freeBytes > 0 ? freeBytes : hostMemory().freeBytes);
  if (needed <= there) return std::string();
  return fmt::format("two copies of it need about {}, {} of memory are free", humanBytes(needed), humanBytes(there));
}

/// Which of these ops run what was tuned, and not their defaults, at some size? By a line of all that each runs.
std::map<std::string, OpDesc> changedOf(const KernelLibrary& library, const std::vector<OpDesc>& ops) {
  constexpr int64_t kMostRows = 64, kMostKeys = 16384;
  auto at = [](const ScheduleChoice& own, int64_t rows, int64_t keys) {
    auto found = std::find_if(own.sized.begin(), own.sized.end(), [&](const SizeClass& one) { return one.most.covers(rows, keys); });
    return text(found == own.sized.end() ? own.schedule : found->schedule);
  };
  std::map<std::string, OpDesc> changed;
  for (const OpDesc& op : ops) {
    auto choice = library.choose(op), plain = library.choose(op, "default");
    if (!choice || !plain || choice->from != "tuned") continue;
    bool same = true;
    std::string line = text(op);
    for (int64_t rows = 1; rows <= kMostRows; rows *= 2)
      for (int64_t keys = 1; keys <= kMostKeys; keys *= 4) {
        std::string runs = at(*choice, rows, keys);
        same = same && runs == at(*plain, rows, keys);
        line += " | " + runs;
      }
    if (!same) changed.emplace(line, op);
  }
  return changed;
}

/// What a replay is written down as: the model and what it runs.
TuneQuestion questionOf(const KernelLibrary& library, const ModelSource& source, const std::map<std::string, OpDesc>& changed) {
  std::string all;
  for (const auto& [line, op] : changed) all += line + "\n";
  auto hash = sha256(all);
  return asWritten({"model " + source.weights.label(), "", hash ? *hash : all, tuningCpu(library.target()), "", "replay"});
}

bool doneBefore(const Journal& journal, const TuneQuestion& question) {
  for (const JournalLine& line : journal.lines([&](const TuneQuestion& q) { return q == question; }))
    if (line.kind == JournalLine::Kind::End) return true;
  return false;
}

/// The default again, in the records.
Result<void> takeBack(KernelLibrary& library, const std::vector<OpDesc>& ops) {
  for (const OpDesc& op : ops) {
    auto choice = library.tuning().choose(op, library.target());
    if (!choice || choice->pinned) continue;
    TuningRecord record = choice->record;
    record.schedule = text(defaultSchedule(op, library.target()));
    record.medianNs *= record.ratio;
    record.ratio = 1;
    record.date = timestamp();
    if (auto good = library.tuning().add(record); !good) return good;
  }
  return {};
}

}  // namespace

bool helps(const Spread& prefill, const Spread& decode) {
  auto surely = [](const Spread& ratio, bool faster) { return ratio.median > 0 && (faster ? ratio.high < 1 : ratio.low > 1); };
  bool faster = surely(prefill, true) || surely(decode, true), slower = surely(prefill, false) || surely(decode, false);
  if (faster != slower) return faster;
  auto known = [](const Spread& ratio) { return ratio.median > 0 ? ratio.median : 1; };
  return known(prefill) * known(decode) <= 1;
}

/// One kind after the other, without it against the model as it is tuned.
static Result<void> replayKinds(KernelLibrary& library, const ModelSource& source, const std::map<std::string, std::vector<OpDesc>>& kinds,
                                const ReplaySettings& settings, Replay& replay) {
  ModelOptions options;
  options.threads = settings.threads;
  options.context = std::min<int64_t>(source.config.context, 4 * kUsualRows);
  auto load = [&](const std::set<std::string>& plain) {
    auto model = loadWithout(library, source, plain, options);
    if (!model && model.error().code == ErrorCode::Machine) replay.leftOut = model.error().message;  // what was tuned stays
    return model;
  };
  auto with = load({});
  if (!with) return replay.leftOut.empty() ? Result<void>(with.error()) : Result<void>();
  Stop stop = settings.stop.within(settings.seconds);
  double share = settings.seconds / static_cast<double>(2 * kinds.size());
  for (const auto& [kind, ops] : kinds) {
    if (stop.asked()) break;
    if (settings.progress) settings.progress(kind);
    std::set<std::string> plain;
    for (const OpDesc& op : ops) plain.insert(text(op));
    auto without = load(plain);
    if (!without) return replay.leftOut.empty() ? Result<void>(without.error()) : Result<void>();
    ReplayRow row{kind, ops, ratioOf(**with, **without, kind, true, settings, stop.within(share)),
                  ratioOf(**with, **without, kind, false, settings, stop.within(share)), false};
    if (settings.stop.asked()) break;
    row.takenBack = kind != "all" && !helps(row.prefill, row.decode);
    if (row.takenBack)
      if (auto good = takeBack(library, ops); !good) return good;
    replay.rows.push_back(std::move(row));
  }
  return {};
}

Result<Replay> replayModel(KernelLibrary& library, const ModelSource& source, const std::vector<OpDesc>& ops,
                           const ReplaySettings& settings) {
  Replay replay;
  std::map<std::string, OpDesc> changed = changedOf(library, ops);
  bool known = settings.journal != nullptr && !settings.again && doneBefore(*settings.journal, questionOf(library, source, changed));
  if (changed.empty() || known) return replay;
  auto tooLarge = whyTooLarge(source, settings.freeBytes);
  if (!tooLarge) return tooLarge.error();
  replay.leftOut = *tooLarge;
  if (!replay.leftOut.empty()) return replay;
  std::map<std::string, std::vector<OpDesc>> kinds, all;
  for (const auto& [line, op] : changed) kinds[std::string(nameOf(op))].push_back(op), all["all"].push_back(op);
  if (kinds.size() > 1) kinds.merge(all);
  if (auto good = replayKinds(library, source, kinds, settings, replay); !good) return good.error();
  if (settings.journal == nullptr || replay.rows.size() < kinds.size()) return replay;
  JournalLine done;
  done.schedule = "replayed";
  RunLog log(*settings.journal, questionOf(library, source, changedOf(library, ops)));  // what was taken back is not in it any more
  if (auto good = log.end(done); !good) return good.error();
  return replay;
}

std::string text(const Replay& replay) {
  const std::vector<ReplayRow>& rows = replay.rows;
  if (rows.empty() && replay.leftOut.empty()) return "";
  std::string leftOut = replay.leftOut.empty() ? "" : fmt::format("\nnot replayed in the model: {}\n", replay.leftOut);
  if (rows.empty()) return leftOut;
  std::string out =
      "\nin the model, time with the tuned kernels over time without\n  prefill                  decode                   kernels of\n";
  auto cell = [](const Spread& ratio) {
    return ratio.median == 0 ? std::string("not timed") : fmt::format("{:.3f} ({:.3f} .. {:.3f})", ratio.median, ratio.low, ratio.high);
  };
  for (const ReplayRow& row : rows)
    out += fmt::format("  {:<23}  {:<23}  {} ({}){}\n", cell(row.prefill), cell(row.decode), row.kind, counted(row.ops.size(), "op"),
                       row.takenBack ? ": no help, its defaults run again" : "");
  return out + leftOut;
}

}  // namespace quern
