// tuner/worker/WorkerProcess.h — a process that may crash, hang or fill memory in our place: it answers requests until it dies, and is
// then started anew.
#pragma once

#include "compiler/base/Descriptor.h"
#include "compiler/base/Stop.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <sys/types.h>

namespace quern {

/// What one worker may take.
struct WorkerLimits {
  int64_t memoryBytes = int64_t{4} << 30;  ///< beyond what this process has when it forks
  int cpu = -1;                            ///< it runs on this one only; -1: anywhere
  int threads = 1;                         ///< each may use the processor for as long as a request may take
};

/// A fork of this process that serves requests, one at a time. It is the leader of a process group, which is killed as a whole; it dies
/// with this process (Linux's death signal); it has no core dumps, no handlers of signals, and writes what it prints into a file in
/// memory, of which the end is put into the reason. Answers carry their request's number, a length and a checksum.
/// Threads: used by the thread that made it, which lives as long (the death signal is a thread's).
class WorkerProcess {
public:
  /// Runs in the worker: takes a request, returns the answer.
  using Serve = std::function<std::string(std::string_view request)>;

  WorkerProcess(Serve serve, WorkerLimits limits);
  WorkerProcess(const WorkerProcess&) = delete;
  ~WorkerProcess() { end(); }

  /// Sends a request, to a new process where none runs. Errors: Machine, where no process is to be had.
  Result<void> post(std::string_view request, double seconds);
  /// The answer to what was posted; nullopt: not within so many milliseconds. After an error nothing is left of the process.
  /// Errors   Internal: how it died ("crashed: SIGSEGV"), that it took longer than post() allowed, that what came is no answer.
  std::optional<Result<std::string>> answer(int patienceMs);
  /// Both. Errors: those of both; Stopped, with the process ended.
  Result<std::string> ask(std::string_view request, double seconds, const Stop& stop = {});

  bool running() const { return pid_ > 0; }
  /// Something to wait for beside others: readable when there may be an answer.
  int descriptor() const { return from_.get(); }
  /// Kills the group and waits for every process of it.
  void end();
  /// Processes started so far.
  int64_t started() const { return started_; }

private:
  Result<void> start();
  [[noreturn]] void serve(int from, int to);
  std::optional<Result<std::string>> take();
  Result<std::string> lost(const std::string& why);
  std::string lastWords() const;

  Serve serve_;
  WorkerLimits limits_;
  pid_t pid_ = -1;
  Descriptor to_, from_, death_, printed_;
  uint64_t number_ = 0;  ///< of the request
  double until_ = 0;
  std::string bytes_;  ///< of an answer that is not whole
  int64_t started_ = 0;
};

}  // namespace quern
