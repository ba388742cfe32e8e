// tools/quern/bench/PoolRunner.h — the phases of one op's call through the runtime's thread pool.
#pragma once

#include "compiler/store/KernelCall.h"
#include "runtime/ThreadPool.h"

namespace quern {

/// The pool outlives it.
inline TaskRunner runnerOf(ThreadPool& pool) {
  using Task = std::function<void(int thread, int64_t begin, int64_t end)>;
  return [&pool](int64_t count, const Task& task) {
    auto piece = [](void* context, int thread, int64_t begin, int64_t end) { (*static_cast<const Task*>(context))(thread, begin, end); };
    pool.run(count, piece, const_cast<Task*>(&task));
  };
}

/// One with a pool of its own.
inline TaskRunner poolRunner(int threads) {
  auto pool = std::make_shared<ThreadPool>(threads);
  return [pool, run = runnerOf(*pool)](int64_t count, const std::function<void(int thread, int64_t begin, int64_t end)>& task) {
    run(count, task);
  };
}

}  // namespace quern
