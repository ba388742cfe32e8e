// tools/api/Run.cpp — running ops, on this thread, the context's, or the caller's.
#include "tools/api/Op.h"

#include <atomic>
#include <fmt/format.h>

namespace quern::api {

namespace {

Result<Arrays> arraysOf(const PreparedOp& op, const quern_array* arrays, int count) {
  if (auto good = given(arrays, "arrays"); !good) return good.error();
  if (count != static_cast<int>(op.operands.size()))
    return badInput(fmt::format("{}: {} arrays are given, {} are needed: its inputs, then the output", op.text, count, op.operands.size()));
  return Arrays(arrays, static_cast<size_t>(count));
}

/// Of no return: the next call of the same forms takes it up.
class Taken {
public:
  Taken(PreparedOp& op, std::unique_ptr<BoundCall> call) : op_(op), call_(std::move(call)) {}
  Taken(const Taken&) = delete;
  ~Taken() { op_.giveBack(std::move(call_)); }
  BoundCall& operator*() { return *call_; }

private:
  PreparedOp& op_;
  std::unique_ptr<BoundCall> call_;
};

using Piece = std::function<void(int thread, int64_t begin, int64_t end)>;

void runOn(Pools::Pool& pool, KernelCall& call) {
  call.run([&](int64_t count, const Piece& task) {
    pool.threads.run(
        count, [](void* context, int thread, int64_t begin, int64_t end) { (*static_cast<const Piece*>(context))(thread, begin, end); },
        const_cast<Piece*>(&task));
  });
}

Result<void> run(quern_op handle, const quern_array* given, int count, int threads) {
  auto op = heldBy<PreparedOp>(handle);
  if (!op) return op.error();
  auto arrays = arraysOf(**op, given, count);
  if (!arrays) return arrays.error();
  auto wanted = threads == 0 ? Result<int>((*op)->context->cpus) : threadsOf(threads);
  if (!wanted) return wanted.error();
  auto call = (*op)->take(*arrays, *wanted);
  if (!call) return call.error();
  Taken taken(**op, std::move(*call));
  bool here = *wanted == 1 || !worthSharing((*taken).flops()) || (*op)->madeIn != forks();
  if (here) return (*taken).call().run(), Result<void>();
  std::shared_ptr<Pools::Pool> pool = (*op)->context->pools.of(*wanted);
  std::unique_lock lock(pool->guard, std::try_to_lock);
  if (lock) runOn(*pool, (*taken).call());
  else (*taken).call().run();
  return {};
}

/// A phase on threads that are not ours: what they ask for is looked at before it is run.
struct Watched {
  const Piece* piece;
  int threads;
  int64_t tasks;
  std::atomic<int64_t> done;
  std::atomic<bool> strange;
};

void runWatched(void* data, int thread, int64_t begin, int64_t end) {
  auto& watched = *static_cast<Watched*>(data);
  bool known = thread >= 0 && thread < watched.threads && begin >= 0 && begin <= end && end <= watched.tasks;
  if (!known) {
    watched.strange = true;
    return;
  }
  (*watched.piece)(thread, begin, end);
  watched.done += end - begin;
}

Result<void> runOnCallers(quern_op handle, const quern_array* given, int count, const quern_runner* runner) {
  auto op = heldBy<PreparedOp>(handle);
  if (!op) return op.error();
  auto arrays = arraysOf(**op, given, count);
  if (!arrays) return arrays.error();
  if (auto good = api::given(runner, "runner"); !good) return good;
  if (runner->run == nullptr) return badCommand("runner: its run is NULL");
  if (auto good = threadsOf(runner->threads); !good || runner->threads == 0)
    return badCommand(fmt::format("runner: threads is {}; 1 to 1024 can be", runner->threads));
  auto call = (*op)->take(*arrays, runner->threads);
  if (!call) return call.error();
  Taken taken(**op, std::move(*call));
  Watched watched{nullptr, runner->threads, 0, {0}, {false}};
  std::string wrong;
  (*taken).call().run([&](int64_t tasks, const Piece& piece) {
    if (tasks == 0 || !wrong.empty()) return;
    watched.piece = &piece, watched.tasks = tasks, watched.done = 0;
    runner->run(runner->user, tasks, runWatched, &watched);
    if (watched.strange || watched.done != tasks)
      wrong = fmt::format("runner: {} of {} tasks were run{}; the result is not complete", watched.done.load(), tasks,
                          watched.strange ? ", and pieces or threads asked for that there are not" : "");
  });
  return wrong.empty() ? Result<void>() : Result<void>(badCommand(wrong));
}

}  // namespace

}  // namespace quern::api

using namespace quern::api;

int quern_run(quern_op op, const quern_array* arrays, int count, int threads) {
  return answered([&] { return run(op, arrays, count, threads); });
}

int quern_run_on(quern_op op, const quern_array* arrays, int count, const quern_runner* runner) {
  return answered([&] { return runOnCallers(op, arrays, count, runner); });
}
