// runtime/PlanSession.h — what runs of a plan write: an arena, what persists between them, scratch, and the threads that run it.
#pragma once

#include "runtime/Plan.h"
#include "runtime/ThreadPool.h"

namespace quern {

/// Sessions of one plan share it and nothing else: each gives the bits that it would give alone.
/// Threads  one run at a time.
class PlanSession {
public:
  using Outside = std::array<const void*, Plan::kMaxOutside>;

  /// Errors: Machine for memory.
  static Result<std::unique_ptr<PlanSession>> make(std::shared_ptr<const Plan> plan, int threads);

  /// Runs every step. Makes no allocation. `sizes`: of all dimensions, each within what the plan was made for. `outside[i]` is the memory
  /// of PlanBuilder::outside(i).
  void run(PlanSizes sizes, const Outside& outside);

  /// The rows of an expert, or of a text, in a run.
  struct Group {
    int64_t expert = 0, first = 0, rows = 0;
  };
  /// For groups that no step of the plan fills: at most as many as they have experts. Makes no allocation.
  void setGroups(PlanGroups groups, std::span<const Group> all);
  /// The first `count` rows of what persists, by its place in Plan::persistentRows; of a ring those of them that a step may yet read.
  std::span<std::byte> persistentRows(size_t place, int64_t count);

  const Plan& plan() const { return *plan_; }
  int threads() const { return pool_.threads(); }
  ThreadPool& pool() { return pool_; }

private:
  /// A run's sizes and memory.
  struct Now {
    PlanSizes sizes;
    const Outside& outside;
    int64_t value(PlanDim dim) const { return valueOf(dim, sizes); }
  };
  struct Groups {
    std::vector<int64_t> counts;  ///< by expert
    std::vector<Group> used;      ///< those with rows, as many as `count`
    size_t count = 0;
  };

  PlanSession(std::shared_ptr<const Plan> plan, int threads) : plan_(std::move(plan)), pool_(threads) {}
  /// `shift`: rows further on.
  const std::byte* addressOf(const PlanView& view, const Now& now, int64_t shift = 0) const;
  /// A kernel on one group's rows, or on all that there are.
  struct Call {
    const CompiledKernel* kernel = nullptr;
    const int64_t* dims = nullptr;
    const void** buffers = nullptr;
    int64_t tasks = 0, first = 0;  ///< its first among those of all groups
  };
  void run(const Plan::Bound& step, const Now& now);
  void runGroups(const Plan::Bound& step, const Now& now);
  Call callOf(const Plan::Bound& step, size_t place, int64_t rows);
  void call(const Plan::Bound& step, const Call& call);
  void run(const PlanRoute& step, const Now& now);
  void run(const PlanGather& step, const Now& now);

  std::shared_ptr<const Plan> plan_;
  ThreadPool pool_;
  HugeMemory arena_, persistent_, scratch_;
  std::vector<RingMemory> rings_;
  std::vector<Groups> groups_;
  size_t mostDims_ = 0, mostBuffers_ = 0;  ///< of a step
  std::vector<int64_t> dimValues_;         ///< of a step, group by group
  std::vector<const void*> buffers_;       ///< the same
  std::vector<Call> calls_;                ///< of a step's groups
};

}  // namespace quern
