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

  /// The first `count` rows of what persists, by its place in Plan::persistentRows.
  std::span<std::byte> persistentRows(size_t place, int64_t count);

  const Plan& plan() const { return *plan_; }
  int threads() const { return pool_.threads(); }
  ThreadPool& pool() { return pool_; }

private:
  /// A run's sizes and memory.
  struct Now {
    PlanSizes sizes;
    const Outside& outside;
    int64_t value(PlanDim dim) const { return sizes[static_cast<size_t>(dim.index)]; }
  };

  PlanSession(std::shared_ptr<const Plan> plan, int threads) : plan_(std::move(plan)), pool_(threads) {}
  const std::byte* addressOf(const PlanView& view, const Now& now) const;
  void run(const Plan::Bound& step, const Now& now);
  void run(const PlanGather& step, const Now& now);

  std::shared_ptr<const Plan> plan_;
  ThreadPool pool_;
  HugeMemory arena_, persistent_, scratch_;
  std::vector<int64_t> dimValues_;    ///< of a step
  std::vector<const void*> buffers_;  ///< of a step
};

}  // namespace quern
