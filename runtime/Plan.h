// runtime/Plan.h — a model as a static list of kernel calls over one arena, made once for its largest sizes.
#pragma once

#include "runtime/KernelProvider.h"
#include "runtime/Memory.h"
#include "runtime/ThreadPool.h"

#include <array>
#include <memory>
#include <string>

namespace quern {

/// The run-time sizes of a sequence model. Any run with rows <= the maximum and past + rows <= the context needs no new
/// plan and allocates nothing.
struct PlanSizes {
  int64_t rows = 0;  ///< T: token rows in flight
  int64_t past = 0;  ///< P: positions already in the KV cache
};

/// Which size a kernel's run-time dimension takes.
enum class PlanDim : uint8_t { Rows, Positions };  ///< T, or P + T

/// Memory a step reads or writes.
struct PlanBuffer {
  int index = -1;
};

/// A matrix of floats (or ids) in a buffer, as one operand of a step.
struct PlanView {
  PlanBuffer buffer;
  int64_t column = 0;                ///< elements from the row's beginning
  std::vector<int64_t> strides;      ///< leading strides in elements, as many as the kernel takes
  int64_t rowElements = 0;           ///< with `fromPast`: the view begins `past` rows of this many elements later
  bool fromPast = false;
};

/// One kernel call.
struct PlanStep {
  std::string name;                  ///< for --log perf and errors
  OpDesc op;
  std::vector<PlanDim> dims;         ///< of runtimeDims(op), in order
  std::vector<PlanView> operands;    ///< in the kernel's buffer order
};

/// What a plan needs of memory.
struct PlanMemory {
  int64_t arenaBytes = 0, unsharedBytes = 0, persistentBytes = 0, scratchBytes = 0;
};

class Plan;

/// Collects buffers and steps, then fixes everything.
class PlanBuilder {
public:
  PlanBuilder(int64_t maxRows, int64_t context) : maxRows_(maxRows), context_(context) {}

  /// Lives from its first step to its last; `rowElements` floats for each of the maxRows.
  PlanBuffer activation(int64_t rowElements);
  /// Lives as long as the plan: the KV cache, one row per position of the context.
  PlanBuffer perPosition(int64_t rowElements);
  /// The caller's memory, given once (weights) ...
  PlanBuffer constant(const void* data);
  /// ... or before each run (ids, logits), by its place in Plan::run's `outside`.
  PlanBuffer outside(int place);

  void step(PlanStep step) { steps_.push_back(std::move(step)); }

  /// Gets the kernels and lays out the arena. Errors: what the provider says; Machine for memory.
  Result<std::unique_ptr<Plan>> finish(const KernelProvider& kernels, int threads);

private:
  friend class Plan;
  enum class Kind : uint8_t { Activation, PerPosition, Constant, Outside };
  struct Buffer {
    Kind kind;
    int64_t rowElements = 0;
    const void* data = nullptr;
    int place = -1;
  };
  PlanBuffer add(Buffer buffer);

  int64_t maxRows_, context_;
  std::vector<Buffer> buffers_;
  std::vector<PlanStep> steps_;
};

/// A finished plan. Threads: run() from one thread at a time.
class Plan {
public:
  static constexpr size_t kMaxOutside = 4;

  /// Runs every step. Makes no allocation. `outside[i]` is the memory of PlanBuilder::outside(i).
  void run(const PlanSizes& sizes, const std::array<const void*, kMaxOutside>& outside);

  const PlanMemory& memory() const { return memory_; }
  int64_t maxRows() const { return maxRows_; }
  int64_t context() const { return context_; }
  int threads() const { return pool_.threads(); }
  /// Kernels in use, by step, for `--log dispatch` and tests.
  std::vector<std::pair<std::string, KernelRef>> kernels() const;

private:
  friend class PlanBuilder;
  /// A step with everything resolved but addresses that depend on the run.
  struct Bound {
    std::string name;
    KernelRef kernel;
    std::vector<PlanDim> dims;
    std::vector<PlanView> views;
    std::vector<int64_t> dimValues, strides;
    std::vector<const void*> buffers;
    double workPerRow = 0;  ///< flops for one row: small ops stay on the calling thread
  };
  struct Place {
    PlanBuilder::Kind kind;
    const std::byte* base = nullptr;
    int place = -1;
  };

  explicit Plan(int threads) : pool_(threads) {}
  void runStep(Bound& step, const PlanSizes& sizes, const std::array<const void*, kMaxOutside>& outside);

  ThreadPool pool_;
  int64_t maxRows_ = 0, context_ = 0;
  std::vector<Bound> steps_;
  std::vector<Place> places_;
  HugeMemory arena_, persistent_, scratch_;
  int64_t sharedScratch_ = 0, threadScratch_ = 0;
  PlanMemory memory_;
};

}  // namespace quern
