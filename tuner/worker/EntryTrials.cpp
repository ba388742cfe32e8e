// tuner/worker/EntryTrials.cpp — see EntryTrials.h.
#include "tuner/worker/EntryTrials.h"

#include "compiler/base/Text.h"
#include "compiler/jit/KernelSources.h"
#include "compiler/store/Standing.h"
#include "compiler/target/HostTarget.h"
#include "tuner/check/Certify.h"

#include <cstdlib>
#include <fmt/format.h>

namespace quern {

namespace {

constexpr double kSeconds = 120;  ///< for one entry
constexpr uint64_t kSeed = 1;

/// An op, a schedule and a kernel that takes its arguments as lowering says now.
struct Entry {
  OpDesc op;
  Schedule schedule;
  KernelRef kernel;
};

Result<Entry> entryOf(const KernelArtifact& artifact) {
  auto op = parseOp(artifact.key.op);
  if (!op) return op.error();
  auto target = parseTarget(artifact.provenance);
  if (!target) return badInput(fmt::format("the CPU it was made for: {}", target.error().message));
  auto schedule = parseSchedule(artifact.key.schedule, *op, *target);
  if (!schedule) return schedule.error();
  auto info = infoOf(*op, *schedule, *target);
  if (!info) return info.error();
  if (artifact.info != *info) return badInput("what it says of its arguments is not what this kernel takes");
  auto kernel = loadArtifact(artifact, "cache");
  if (!kernel) return kernel.error();
  return Entry{std::move(*op), std::move(*schedule), std::move(*kernel)};
}

/// "CASES WORST", or "!" and why it is wrong.
std::string served(std::string_view bytes) {
  auto artifact = parseArtifact(bytes);
  if (!artifact) return "!" + artifact.error().message;
  auto entry = entryOf(*artifact);
  if (!entry) return "!" + entry.error().message;
  std::vector<DimValues> sizes = certifiedSizes(entry->op, artifact->certificate.of);
  if (sizes.empty()) sizes = sizesToCertify(entry->op, entry->schedule);
  CheckReport all;
  for (const DimValues& dims : sizes) {
    auto report = checkKernel(entry->kernel, entry->op, dims, kSeed);
    if (!report) return "!" + report.error().message;
    all.add(*report);
  }
  return all.passed ? fmt::format("{} {}", all.cases, all.worst) : "!" + all.failure;
}

}  // namespace

EntryTrials::EntryTrials() : worker_(served, {}) {}

Result<EntryVerdict> EntryTrials::check(const KernelArtifact& artifact, const Stop& stop) {
  EntryVerdict verdict;
  Standing standing = standingOf(artifact, hostTarget());
  if (standing.kind == Standing::Foreign || standing.kind == Standing::Refused) verdict.why = standing.text;
  else if (auto runs = runsHere(artifact.info); !runs) verdict.why = runs.error().message;
  if (!verdict.why.empty()) return verdict;
  auto bytes = serialise(artifact);
  if (!bytes) return bytes.error();
  auto answer = worker_.ask(*bytes, kSeconds, stop);
  if (!answer && answer.error().code != ErrorCode::Internal) return answer.error();
  verdict.outcome = answer && !answer->starts_with('!') ? EntryVerdict::Right : EntryVerdict::Wrong;
  if (!answer) verdict.why = answer.error().message;
  else if (verdict.outcome == EntryVerdict::Wrong) verdict.why = answer->substr(1);
  if (verdict.outcome == EntryVerdict::Wrong) return verdict;
  char* rest = nullptr;
  verdict.report.cases = std::strtoll(answer->c_str(), &rest, 10);
  verdict.report.worst = std::strtod(rest, nullptr);
  return verdict;
}

}  // namespace quern
