// tools/quern/commands/Report.cpp — `quern report`: one page of pictures of what is tuned on this CPU.
#include "compiler/base/Files.h"
#include "compiler/base/Log.h"
#include "compiler/base/Text.h"
#include "compiler/target/HostTarget.h"
#include "tools/quern/cli/Progress.h"
#include "tools/quern/commands/Command.h"
#include "tools/quern/cli/Library.h"
#include "tools/quern/commands/RecordColumns.h"
#include "tools/quern/commands/ReportFill.h"
#include "tools/report/ReportPage.h"

#include <cstdio>
#include <fmt/format.h>
#include <optional>
#include <unistd.h>

namespace quern {

static const CommandInfo kReportInfo = {
    "report", "[-o FILE.html] [--bench FILE.json]... [--base RECORD --new RECORD] [--pictures DIR]",
    "one HTML page of what is tuned here: roofline, times with intervals, candidates, why",
    "  quern report\n"
    "  quern bench --suite transformer-f32 --against onednn --threads 1 --json bench.json; quern report --bench bench.json -o here.html\n"
    "  quern report --base smallmind:baseline --new smallmind:current\n"};

namespace {

constexpr double kCeilingSeconds = 1;

/// Explains every op that was tuned; one that cannot be is a remark.
Result<std::vector<Explanation>> explainAll(const CommandLine& line, KernelLibrary& library, const Stop& stop,
                                            std::vector<std::string>& remarks) {
  auto space = readSearchSpace(line.get("space"));
  if (!space) return space.error();
  const std::vector<std::string>& directories = library.cache().directories();
  auto journal = Journal::open(directories.empty() ? "" : directories[0]);
  if (!journal) return journal.error();
  std::vector<std::string> ops = library.tuning().tunedOps(library.target());
  ProgressBar bar(wantsProgress(line), "explaining", [](double count) { return fmt::format("{:.0f}", count); });
  std::vector<Explanation> all;
  for (size_t i = 0; i < ops.size(); ++i) {
    if (stop.asked()) return stoppedError("report: " + ops[i]);
    auto op = parseOp(ops[i]);
    auto explained = op ? explain(library, *space, *op, *journal) : Result<Explanation>(op.error());
    if (explained) all.push_back(std::move(*explained));
    else remarks.push_back(fmt::format("Not shown: {}: {}", ops[i], explained.error().message));
    bar.show(static_cast<double>(i + 1), static_cast<double>(ops.size()));
  }
  return all;
}

/// nullopt, and why: code for this CPU does not run here.
Result<std::optional<Ceilings>> ceilingsFor(const CommandLine& line, const Target& target, const Stop& stop, std::string& unmeasured) {
  std::vector<std::string> lacking = hostTarget().lackingFor(target);
  if (!lacking.empty()) {
    unmeasured = "this machine lacks " + join(lacking, ", ");
    return std::optional<Ceilings>();
  }
  if (wantsProgress(line)) std::fprintf(stderr, "quern: measuring the ceilings of %s\n", target.name.c_str());
  Ceilings ceilings = measureCeilings(target, kCeilingSeconds, stop);
  if (stop.asked()) return stoppedError("report: ceilings of " + target.name);
  sayIfBusy(ceilings.coreShare, "its ceilings are higher");
  return std::optional(ceilings);
}

/// An op above its ceilings says that these were measured while something else ran.
void raiseFor(const std::vector<Explanation>& all, KernelLibrary& library, Ceilings& ceilings, const Stop& stop) {
  constexpr double kAbove = 102, kAgainSeconds = 0.5;
  constexpr int kMostTimes = 2;
  for (int i = 0; i < kMostTimes && !stop.asked(); ++i) {
    bool above = false;
    for (const Explanation& e : all) above = above || opFacts(library, e, &ceilings, {}).ceilingPercent() > kAbove;
    if (!above) return;
    raiseTo(ceilings, measureCeilings(library.target(), kAgainSeconds, stop));
  }
}

Result<void> writePictures(const std::string& folder, const ReportFacts& facts) {
  constexpr size_t kMostOps = 8;
  if (auto good = makeDirectories(folder); !good) return good;
  auto write = [&](const char* name, const Svg& picture) { return writeFileAtomically(folder + "/" + name, picture.file()); };
  if (auto good = write("roofline.svg", rooflinePicture(facts.machine, facts.ops)); !good) return good;
  if (facts.comparison != nullptr)
    if (auto good = write("comparison.svg", comparisonBars(*facts.comparison, "")); !good) return good;
  return write("calls.svg", callBars(std::span(facts.ops).first(std::min(kMostOps, facts.ops.size()))));
}

/// The two records of --base and --new, and what comes of them; pointers reach into the records.
struct ReportRecords {
  RecordColumn base, fresh;
  RecordComparison comparison;
};

Result<std::unique_ptr<ReportRecords>> recordsOf(const CommandLine& line) {
  auto records = std::unique_ptr<ReportRecords>();
  if (line.has("base") != line.has("new")) return badCommand("report: --base and --new go together");
  if (!line.has("base")) return records;
  auto base = readColumn("report", line.get("base")), fresh = readColumn("report", line.get("new"));
  if (!base) return base.error();
  if (!fresh) return fresh.error();
  records = std::make_unique<ReportRecords>(ReportRecords{std::move(*base), std::move(*fresh), {}});
  records->comparison = compareRecords(records->base, records->fresh);
  if (records->comparison.rows.empty())
    return badInput(fmt::format("report: {} and {} have no row in common", escaped(line.get("base")), escaped(line.get("new"))));
  return records;
}

}  // namespace

static Result<int> runReport(std::vector<std::string> args) {
  CommandLine line(kReportInfo, std::move(args));
  line.common({"cpu", "cache", "quiet"})
      .value("output", "FILE", "report.html", "where the page goes; - is stdout", 'o')
      .list("bench", "FILE", "what quern bench --against ... --json FILE wrote: other libraries beside ours")
      .value("base", "RECORD", "", "with --new: two records side by side, as for quern compare")
      .value("new", "RECORD", "", "see --base")
      .value("pictures", "DIR", "", "the pictures as SVG files too: roofline, calls, comparison")
      .value("space", "FILE", "default", "search space: a name in configs/tune or a TOML file");
  auto go = ready(line);
  if (!go || !*go) return go ? Result<int>(0) : Result<int>(go.error());
  if (!line.words().empty()) return badCommand("report: takes no words; it shows every op that is tuned here");
  auto records = recordsOf(line);
  if (!records) return records.error();
  auto benched = readBenchFiles(line.all("bench"));
  if (!benched) return benched.error();
  if (auto good = checkResultFile(line.get("output")); !good) return good.error();
  if (line.has("pictures"))
    if (auto good = makeDirectories(line.get("pictures")); !good) return good.error();
  auto library = libraryOf(line, false);
  if (!library) return library.error();
  Stop stop = interruption();
  const Target& target = (*library)->target();
  ReportFacts facts;
  auto all = explainAll(line, **library, stop, facts.remarks);
  if (!all) return all.error();
  std::string unmeasured;
  auto ceilings = ceilingsFor(line, target, stop, unmeasured);
  if (!ceilings) return ceilings.error();
  if (*ceilings) raiseFor(*all, **library, **ceilings, stop);
  facts.machine = machineFacts(target, ceilings->value_or(Ceilings()), unmeasured);
  for (const Explanation& e : *all) facts.ops.push_back(opFacts(**library, e, *ceilings ? &**ceilings : nullptr, (*benched)[text(e.op)]));
  facts.date = timestamp();
  facts.tuneHint =
      fmt::format("quern tune --suite transformer-f32 --budget 60s{}\nquern report", line.has("cpu") ? " --cpu " + line.get("cpu") : "");
  facts.comparison = *records ? &(*records)->comparison : nullptr;
  if (line.has("pictures"))
    if (auto good = writePictures(line.get("pictures"), facts); !good) return good.error();
  if (auto good = writeResult(reportPage(facts), line.get("output")); !good) return good.error();
  if (wantsProgress(line) && line.get("output") != "-") std::fprintf(stderr, "quern: %s\n", line.get("output").c_str());
  if (!line.has("quiet")) std::fputs(orderTable(facts.ops).c_str(), line.get("output") == "-" ? stderr : stdout);
  return 0;
}

Command reportCommand() { return {kReportInfo, runReport}; }

}  // namespace quern
