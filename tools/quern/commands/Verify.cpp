// tools/quern/commands/Verify.cpp — `quern verify OP|--suite FILE`: kernels against the reference.
#include "tools/quern/commands/Command.h"
#include "tools/quern/cli/Library.h"
#include "tools/quern/cli/Json.h"
#include "tools/quern/commands/VerifyFloats.h"
#include "tuner/check/KernelCheck.h"

#include <chrono>
#include <cstdio>
#include <fmt/format.h>

namespace quern {

static const CommandInfo kVerifyInfo = {"verify", "OP|--suite FILE [--exhaustive]",
                                        "checks kernels against the reference: error over limit, edge sizes, guard pages, special values",
                                        "  quern verify matmul m=64 n=48 k=100 ep=bias+gelu_tanh\n"
                                        "  quern verify --suite transformer-f32\n"
                                        "  quern verify softmax x=16x128 --cpu haswell --json -\n"
                                        "  quern verify exp x=* --exhaustive\n"
                                        "  quern verify --suite maths --exhaustive\n"};

namespace {

constexpr uint64_t kSeed = 20260203;
constexpr int kEdgeCases = 24;

struct Row {
  std::string op;
  CheckReport report;
};

/// Small sizes for what is open.
DimValues edgeOf(const OpDesc& op) {
  DimValues dims;
  for (const std::string& name : runtimeDims(op)) dims[name] = 3;
  return dims;
}

/// The op itself, then the same schedule on the op with run-time dimensions, at edge sizes.
Result<CheckReport> verifyOp(KernelLibrary& library, const OpEntry& entry, const CommandLine& line, const Stop& stop) {
  auto choice = chooseFor(library, entry, line);
  if (!choice) return choice.error();
  auto kernels = kernelsFor(library, entry, line, edgeOf(entry.op));
  if (!kernels) return kernels.error();
  CheckReport report;
  constexpr double kCopies = 8;  // inputs, padded copies, and the reference in double with its limits
  if (runtimeDims(entry.op).empty()) {
    if (auto fits = checkMemory(entry.op, kCopies); !fits) return fits.error();
    auto checked = checkKernel(*kernels, entry.op, {}, kSeed, stop);
    if (!checked) return checked;
    report.add(*checked);
  }
  bool open = !runtimeDims(entry.op).empty(), loops = line.has("loops");
  OpDesc anySize = open ? entry.op : withRuntimeDims(entry.op);
  if ((loops && !open) || !validate(choice->schedule, anySize, library.target())) return report;
  if (!loops) kernels = library.kernels(anySize, ScheduleChoice{choice->schedule, choice->from, {}});
  if (!kernels) return kernels.error();
  for (const DimValues& sizes : edgeSizes(anySize, choice->schedule, kEdgeCases, kSeed)) {
    if (loops) kernels = kernelsFor(library, entry, line, sizes);  // tried out by the interpreter for each
    if (!kernels) return kernels.error();
    auto checked = checkKernel(*kernels, anySize, sizes, kSeed, stop);
    if (!checked) return checked;
    report.add(*checked);
  }
  return report;
}

std::string jsonOf(const std::vector<Row>& rows) {
  Json list = Json::array();
  for (const Row& row : rows)
    list.push_back(
        {{"op", row.op}, {"cases", row.report.cases}, {"worst_error_over_limit", row.report.worst}, {"passed", row.report.passed}});
  return jsonText({{"rows", list}});
}

std::string tableOf(const std::vector<Row>& rows) {
  std::string out = "passed  cases  error/limit  op\n";
  for (const Row& row : rows) {
    out += fmt::format("{:<6} {:>6}  {:>11.3g}  {}\n", row.report.passed ? "yes" : "NO", row.report.cases, row.report.worst, row.op);
    if (!row.report.passed) out += fmt::format("        {}\n", row.report.failure);
  }
  return out;
}

}  // namespace

static Result<int> runVerify(std::vector<std::string> args) {
  CommandLine line(kVerifyInfo, std::move(args));
  line.common({"cpu", "schedule", "cache", "bundle", "json"}).value("suite", "FILE", "", "every op of a suite");
  line.value("loops", "FILE", "", "this loop program in place of the generated one");
  line.toggle("exhaustive", "functions of one argument over all 2^32 floats, on every level within --cpu (a minute each on two cores)");
  line.value("stride", "N", "1", "with --exhaustive: every Nth float");
  auto go = ready(line);
  if (!go || !*go) return go ? Result<int>(0) : Result<int>(go.error());
  std::vector<OpEntry> entries;
  if (line.has("suite")) {
    if (!line.words().empty()) return badCommand("verify: an op or --suite, not both");
    if (line.has("loops")) return badCommand("verify: --loops is one op's program and does not go with --suite");
    auto suite = readSuite(line.get("suite"));
    if (!suite) return suite.error();
    entries = std::move(suite->entries);
  } else {
    auto entry = opFromWords(line.words());
    if (!entry) return entry.error();
    entries.push_back(std::move(*entry));
  }
  if (line.has("exhaustive")) return verifyFloats(entries, line);
  if (line.has("stride")) return badCommand("verify: --stride is for --exhaustive");
  auto library = libraryOf(line, true);
  if (!library) return library.error();
  std::vector<Row> rows;
  bool passed = true;
  auto start = std::chrono::steady_clock::now();
  Stop interrupted = interruption();
  (*library)->stopWith(interrupted);
  bool progress = wantsProgress(line) && entries.size() > 1;
  for (size_t i = 0; i < entries.size() && !interrupted.asked(); ++i) {
    auto report = verifyOp(**library, entries[i], line, interrupted);
    if (!report && interrupted.asked()) break;
    if (!report) return report.error();
    passed = passed && report->passed && report->cases > 0;
    rows.push_back({text(entries[i].op), std::move(*report)});
    double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    double left = seconds / static_cast<double>(i + 1) * static_cast<double>(entries.size() - i - 1);
    if (progress) std::fprintf(stderr, "\r\033[Kverify %zu/%zu, %.0f s left   ", i + 1, entries.size(), left);
  }
  if (progress) std::fprintf(stderr, "\r\033[K");
  if (line.has("json"))
    if (auto good = writeResult(jsonOf(rows), line.get("json")); !good) return good.error();
  if (line.get("json") != "-")
    if (auto good = writeResult(tableOf(rows)); !good) return good.error();
  if (interrupted.asked()) {
    std::fprintf(stderr, "quern: interrupted: %zu of %zu ops were verified\n", rows.size(), entries.size());
    return interruptedStatus();
  }
  return passed ? 0 : 1;
}

Command verifyCommand() { return {kVerifyInfo, runVerify}; }

}  // namespace quern
