// tuner/worker/EntryTrials.cpp — see EntryTrials.h.
#include "tuner/worker/EntryTrials.h"

#include "compiler/base/Text.h"
#include "compiler/jit/KernelSources.h"
#include "compiler/store/Standing.h"
#include "compiler/target/HostTarget.h"
#include "compiler/target/HostMemory.h"
#include "tuner/check/Certify.h"

#include <algorithm>
#include <cstdlib>
#include <fmt/format.h>
#include <new>

namespace quern {

namespace {

constexpr double kSeconds = 120;  ///< for one entry
constexpr uint64_t kSeed = 1;

/// The CPU it was made for; this one where that cannot be read.
Target madeFor(const KernelArtifact& artifact) {
  auto target = parseTarget(artifact.provenance);
  return target ? *target : hostTarget();
}

/// Its odd sizes, and those of its certificate.
std::vector<DimValues> sizesOf(const KernelArtifact& artifact, const OpDesc& op, const Schedule& schedule) {
  std::vector<DimValues> all = sizesToCertify(op, schedule);
  for (DimValues& one : certifiedSizes(op, artifact.certificate.of))
    if (std::find(all.begin(), all.end(), one) == all.end()) all.push_back(std::move(one));
  return all;
}

/// "CASES WORST"; '!' and why it is wrong; '?' and why that cannot be told.
std::string tried(const KernelArtifact& artifact) {
  auto op = parseOp(artifact.key.op);
  if (!op) return "!" + op.error().message;
  Target target = madeFor(artifact);
  auto schedule = parseSchedule(artifact.key.schedule, *op, target);
  if (!schedule) return "!" + schedule.error().message;
  auto info = infoOf(*op, *schedule, target);
  if (!info) return "!" + info.error().message;
  if (artifact.info != *info) return "!what it says of its arguments is not what this kernel takes";
  auto kernel = loadArtifact(artifact, "cache");
  if (!kernel) return (kernel.error().code == ErrorCode::BadInput ? "!" : "?") + kernel.error().message;
  CheckReport all;
  for (const DimValues& dims : sizesOf(artifact, *op, *schedule)) {
    auto report = checkKernel(*kernel, *op, dims, kSeed);
    if (!report) return (report.error().code == ErrorCode::Internal ? "!" : "?") + report.error().message;
    all.add(*report);
  }
  return all.passed ? fmt::format("{} {}", all.cases, all.worst) : "!" + all.failure;
}

std::string served(std::string_view bytes) {
  auto artifact = parseArtifact(bytes);
  if (!artifact) return "!" + artifact.error().message;
  try {
    return tried(*artifact);
  } catch (const std::bad_alloc&) {
    return "?there is not the memory to run it";
  }
}

/// Of its largest operands, those of its certificate.
double operandBytes(const KernelArtifact& artifact) {
  auto op = parseOp(artifact.key.op);
  if (!op) return 0;
  if (runtimeDims(*op).empty()) return minBytesOf(*op);
  double most = 0;
  for (const DimValues& dims : certifiedSizes(*op, artifact.certificate.of)) most = std::max(most, minBytesOf(fixed(*op, dims)));
  return most;
}

}  // namespace

std::string_view nameOf(EntryVerdict::Outcome outcome) {
  constexpr std::string_view kNames[] = {"right", "wrong", "not run"};
  return kNames[outcome];
}

WorkerProcess& EntryTrials::workerFor(double bytes) {
  constexpr double kCopies = 16;  // inputs, padded copies, the reference in double, a packed weight
  if (!worker_ || bytes > bytes_) {
    WorkerLimits limits;
    limits.memoryBytes += static_cast<int64_t>(kCopies * bytes);
    bytes_ = bytes;
    worker_.emplace(served, limits);
  }
  return *worker_;
}

Result<EntryVerdict> EntryTrials::check(const KernelArtifact& artifact, const Stop& stop) {
  constexpr double kCopies = 8;
  EntryVerdict verdict;
  Standing standing = standingOf(artifact, hostTarget());
  double bytes = operandBytes(artifact);
  if (standing.kind == Standing::Foreign || standing.kind == Standing::Refused) verdict.why = standing.text;
  else if (auto runs = runsHere(artifact.info); !runs) verdict.why = runs.error().message;
  else if (kCopies * bytes > static_cast<double>(hostMemory().mostBytes))
    verdict.why = fmt::format("needs about {} with its copies, more than there is", humanBytes(kCopies * bytes));
  if (!verdict.why.empty()) return verdict;
  auto request = serialise(artifact);
  if (!request) return request.error();
  auto answer = workerFor(bytes).ask(*request, kSeconds, stop);
  if (!answer && answer.error().code != ErrorCode::Internal) return answer.error();
  char kind = answer && !answer->empty() ? answer->front() : '!';
  if (kind == '!' || kind == '?') {
    verdict.outcome = kind == '!' ? EntryVerdict::Wrong : EntryVerdict::NotRun;
    verdict.why = !answer ? answer.error().message : answer->substr(std::min<size_t>(1, answer->size()));
    return verdict;
  }
  verdict.outcome = EntryVerdict::Right;
  char* rest = nullptr;
  verdict.report.cases = std::strtoll(answer->c_str(), &rest, 10);
  verdict.report.worst = std::strtod(rest, nullptr);
  return verdict;
}

}  // namespace quern
