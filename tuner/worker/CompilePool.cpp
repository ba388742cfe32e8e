// tuner/worker/CompilePool.cpp — see CompilePool.h.
#include "tuner/worker/CompilePool.h"

#include "compiler/jit/CodegenModule.h"

#include <algorithm>
#include <cstdlib>
#include <fmt/format.h>
#include <poll.h>

namespace quern {

/// Of one candidate: a kernel takes LLVM milliseconds, one of hundreds of terms seconds.
static constexpr double kCompileSeconds = 120;

CompilePool::CompilePool(KernelLibrary& library, int workers) : library_(library) {
  for (int i = 0; i < std::max(1, workers); ++i)
    workers_.push_back(std::make_unique<WorkerProcess>([this](std::string_view request) { return serve(request); }, WorkerLimits()));
}

/// In the worker: "OP\nSCHEDULE"; the artifact, or "!", three digits of a code and a message.
std::string CompilePool::serve(std::string_view request) {
  auto failure = [](const Error& error) { return fmt::format("!{:03}{}", static_cast<int>(error.code), error.message); };
  size_t end = request.find('\n');
  auto op = parseOp(std::string(request.substr(0, end)));
  if (!op) return failure(op.error());
  auto schedule = parseSchedule(std::string(request.substr(end + 1)), *op, library_.target());
  if (!schedule) return failure(schedule.error());
  auto made = library_.compile(*op, *schedule);
  if (!made) return failure(made.error());
  auto bytes = serialise(*made);
  return bytes ? *bytes : failure(bytes.error());
}

static Result<KernelArtifact> artifactOf(const Result<std::string>& answer) {
  if (!answer) return answer.error();
  constexpr size_t kCodeDigits = 3;
  if (answer->starts_with('!') && answer->size() > kCodeDigits)
    return Error{static_cast<ErrorCode>(std::atoi(answer->substr(1, kCodeDigits).c_str())), answer->substr(1 + kCodeDigits)};
  return parseArtifact(*answer);
}

std::vector<Result<KernelArtifact>> CompilePool::compile(const OpDesc& op, std::span<const Schedule> schedules, const Stop& stop) {
  std::vector<Result<KernelArtifact>> results(schedules.size(), Result<KernelArtifact>(stoppedError(text(op))));
  if (schedules.empty() || stop.asked()) return results;
  if (auto module = codegenModule(); !module) {  // loaded here, once, and not in every worker
    for (auto& result : results) result = module.error();
    return results;
  }
  size_t next = 0, open = 0;
  std::vector<std::optional<size_t>> work(workers_.size());  // what each is at
  auto give = [&](size_t w) {
    while (next < schedules.size() && !work[w]) {
      size_t which = next++;
      auto good = workers_[w]->post(text(op) + "\n" + text(schedules[which]), kCompileSeconds);
      if (good) work[w] = which, ++open;
      else results[which] = good.error();
    }
  };
  for (size_t w = 0; w < workers_.size(); ++w) give(w);
  while (open > 0) {
    if (stop.asked()) {
      for (auto& worker : workers_) worker->end();
      return results;
    }
    std::vector<pollfd> waiting;
    for (size_t w = 0; w < workers_.size(); ++w)
      if (work[w]) waiting.push_back({workers_[w]->descriptor(), POLLIN, 0});
    constexpr int kPatienceMs = 20;
    ::poll(waiting.data(), waiting.size(), kPatienceMs);
    for (size_t w = 0; w < workers_.size(); ++w) {
      if (!work[w]) continue;
      auto answer = workers_[w]->answer(0);
      if (!answer) continue;
      results[*work[w]] = artifactOf(*answer);
      work[w].reset(), --open;
      give(w);
    }
  }
  return results;
}

}  // namespace quern
