// tools/quern/commands/VerifyFloats.cpp — see VerifyFloats.h.
#include "tools/quern/commands/VerifyFloats.h"

#include "compiler/target/HostTarget.h"
#include "tools/quern/cli/Json.h"
#include "tools/quern/cli/Library.h"
#include "tuner/check/Exhaustive.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fmt/format.h>

namespace quern {

namespace {

using Clock = std::chrono::steady_clock;

double secondsSince(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

/// --cpu and, before it, the narrower plain levels: each a library of its own.
Result<std::vector<std::unique_ptr<KernelLibrary>>> librariesOf(const CommandLine& line) {
  auto target = targetOf(line, true);
  if (!target) return target.error();
  std::vector<std::unique_ptr<KernelLibrary>> libraries;
  for (Target& level : levelsWithin(*target))
    if (level.level != target->level)
      libraries.push_back(std::make_unique<KernelLibrary>(std::move(level), cacheDirectories(line.get("cache"))));
  libraries.push_back(std::make_unique<KernelLibrary>(std::move(*target), cacheDirectories(line.get("cache"))));
  return libraries;
}

/// The op's kernels for any size. A schedule that was given is for --cpu; the narrower levels take what is chosen for them.
Result<std::vector<KernelSet>> kernelsOf(std::span<const std::unique_ptr<KernelLibrary>> libraries, const OpEntry& entry,
                                         const CommandLine& line) {
  std::vector<KernelSet> kernels;
  OpEntry any = entry;
  std::get<MapOp>(any.op).operands[0].shape = {Dim{Dim::kAny}};
  for (const auto& library : libraries) {
    auto choice = library == libraries.back() ? chooseFor(*library, any, line) : library->choose(any.op);
    if (!choice) return choice.error();
    auto set = library->kernels(any.op, *choice);
    if (!set) return set.error();
    kernels.push_back(std::move(*set));
  }
  return kernels;
}

std::string jsonOf(std::span<const std::pair<std::string, ExhaustiveReport>> rows) {
  Json list = Json::array();
  for (const auto& [op, r] : rows)
    list.push_back({{"op", op},
                    {"level", r.level},
                    {"fma", r.fma},
                    {"cases", r.floats},
                    {"worst_error_over_limit", r.worst},
                    {"worst_ulp", r.worstUlp},
                    {"at", r.worstAt},
                    {"got", r.got},
                    {"passed", r.passed()}});
  return jsonText({{"rows", list}});
}

}  // namespace

Result<int> verifyFloats(const std::vector<OpEntry>& entries, const CommandLine& line) {
  if (line.has("loops")) return badCommand("verify: --exhaustive runs generated kernels and does not go with --loops");
  if (line.has("bundle")) return badCommand("verify: --exhaustive runs kernels of several levels and does not go with --bundle");
  auto stride = line.number("stride", 1, 1 << 24);
  if (!stride) return stride.error();
  for (const OpEntry& entry : entries)
    if (auto truth = truthOf(entry.op); !truth) return truth.error();
  auto libraries = librariesOf(line);
  if (!libraries) return libraries.error();
  Stop interrupted = interruption();
  bool table = line.get("json") != "-";
  std::vector<std::pair<std::string, ExhaustiveReport>> rows;
  auto start = Clock::now();
  if (table)
    if (auto good = writeResult(exhaustiveHeader()); !good) return good.error();
  for (size_t i = 0; i < entries.size() && !interrupted.asked(); ++i) {
    FloatTruth truth = *truthOf(entries[i].op);
    auto kernels = kernelsOf(*libraries, entries[i], line);
    if (!kernels) return kernels.error();
    auto progress = [&](double share) {
      double all = (static_cast<double>(i) + share) / static_cast<double>(entries.size());
      if (wantsProgress(line) && share > 0)
        std::fprintf(stderr, "\r\033[K%s, %zu of %zu: %.0f %%, %.0f s left in all", truth.name.c_str(), i + 1, entries.size(), 100 * share,
                     secondsSince(start) / all * (1 - all));
      return !interrupted.asked();
    };
    auto reports = checkEveryFloat(truth, *kernels, static_cast<uint32_t>(*stride), progress);
    if (wantsProgress(line)) std::fprintf(stderr, "\r\033[K");
    if (!reports) return reports.error();
    for (ExhaustiveReport& report : *reports) {
      if (table)
        if (auto good = writeResult(text(report)); !good) return good.error();
      rows.emplace_back(text(entries[i].op), std::move(report));
    }
  }
  if (line.has("json"))
    if (auto good = writeResult(jsonOf(rows), line.get("json")); !good) return good.error();
  if (interrupted.asked()) {
    std::fprintf(stderr, "quern: interrupted: not every float was verified\n");
    return interruptedStatus();
  }
  return !rows.empty() && std::all_of(rows.begin(), rows.end(), [](const auto& row) { return row.second.passed(); }) ? 0 : 1;
}

}  // namespace quern
