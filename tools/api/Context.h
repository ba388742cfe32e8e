// tools/api/Context.h — what a quern_context stands for: a library of kernels, and threads to run them.
#pragma once

#include "compiler/jit/OpKernels.h"
#include "compiler/target/UsableCpus.h"
#include "runtime/ThreadPool.h"

#include <map>

namespace quern::api {

/// Threads for calls, a pool for each of the last counts that were asked for; whoever finds one in use works alone.
class Pools {
public:
  struct Pool {
    std::mutex guard;
    ThreadPool threads;
    explicit Pool(int count) : threads(count) {}
  };
  std::shared_ptr<Pool> of(int threads);

private:
  std::mutex guard_;
  std::map<int, std::shared_ptr<Pool>> pools_;
};

struct Context {
  static constexpr uint64_t kKind = 1;
  static constexpr const char* kName = "context";

  Context(Target target, std::vector<std::string> caches) : library(std::move(target), std::move(caches)), kernels(library) {}

  KernelLibrary library;
  OpKernels kernels;
  Pools pools;
  const int cpus = usableCpus();  ///< that calls are spread over: asking takes longer than many a call
};

/// 0: as many as this process has CPUs. Errors: BadCommand: fewer than none, more than 1024.
Result<int> threadsOf(int given);

}  // namespace quern::api
