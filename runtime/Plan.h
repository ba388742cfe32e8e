// runtime/Plan.h — a model as a static list of kernel calls over one arena, made once for its largest sizes.
#pragma once

#include "runtime/KernelProvider.h"
#include "runtime/Memory.h"
#include "runtime/ThreadPool.h"

#include <array>
#include <functional>
#include <memory>
#include <string>
#include <variant>

namespace quern {

/// The run-time sizes of a sequence model. Any run with rows <= the maximum and past + rows <= the context needs no new
/// plan and allocates nothing.
struct PlanSizes {
  int64_t rows = 0;     ///< T: token rows in flight
  int64_t past = 0;     ///< P: positions already in the KV cache
  int64_t outputs = 0;  ///< the last so many of the rows go on to the end: 0 to T
};

/// Which size a kernel's run-time dimension takes.
enum class PlanDim : uint8_t { Rows, Positions, Outputs };  ///< T, P + T, or the outputs
inline int64_t valueOf(PlanDim dim, const PlanSizes& sizes) {
  return dim == PlanDim::Rows ? sizes.rows : dim == PlanDim::Outputs ? sizes.outputs : sizes.past + sizes.rows;
}
/// Which row of its buffer a view begins at: the first, row P (of a buffer with a row per position), or the first output row.
enum class PlanOrigin : uint8_t { First, Past, Outputs };

/// Memory a step reads or writes.
struct PlanBuffer {
  int index = -1;
};

/// A matrix of floats (or ids) in a buffer, as one operand of a step.
struct PlanView {
  PlanBuffer buffer;
  int64_t column = 0;            ///< elements from the row's beginning
  std::vector<int64_t> strides;  ///< leading strides in elements, as many as the kernel takes
  int64_t rowElements = 0;       ///< of a row, where the view does not begin at the first
  PlanOrigin origin = PlanOrigin::First;
  ElementType type = ElementType::F32;
};

/// One kernel call.
struct PlanStep {
  std::string name;  ///< for --log perf and errors
  OpDesc op;
  std::vector<PlanDim> dims;       ///< of runtimeDims(op), in order
  std::vector<PlanView> operands;  ///< in the kernel's buffer order
};

/// Rows of a table by id, done by the caller's thread: whatever the table is, `row` knows how to read it.
struct PlanGather {
  std::string name;
  PlanBuffer ids, out;
  int64_t rowElements = 0;
  std::function<void(int32_t id, float* row)> row;
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
  PlanBuffer perPosition(int64_t rowElements, ElementType type = ElementType::F32);
  /// The caller's memory, given once (weights), at the latest before finish() ...
  PlanBuffer constant(const void* data = nullptr);
  void setConstant(PlanBuffer buffer, const void* data) { buffers_[static_cast<size_t>(buffer.index)].data = data; }
  /// ... or before each run (ids, logits), by its place in Plan::run's `outside`.
  PlanBuffer outside(int place);

  void step(PlanStep step) { steps_.emplace_back(std::move(step)); }
  /// Returns its place, for setGather: what `row` reads may be known later, at the latest before finish().
  size_t gather(PlanGather step) { return steps_.emplace_back(std::move(step)), steps_.size() - 1; }
  void setGather(size_t step, std::function<void(int32_t id, float* row)> row) { std::get<PlanGather>(steps_[step]).row = std::move(row); }
  /// Rows that nobody but products reads, all of which would round them alike, leave the step they come from rounded: once, while they
  /// are near, and without a phase of their own. No result has another bit. To be called when all steps are there.
  void handOnRounded();
  /// The kernel calls so far, in order.
  std::vector<const PlanStep*> kernelSteps() const;
  int64_t maxRows() const { return maxRows_; }
  int64_t context() const { return context_; }

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
    ElementType type = ElementType::F32;
  };
  PlanBuffer add(Buffer buffer);
  struct Flow;
  std::optional<Flow> flowOf(size_t buffer);
  std::vector<std::pair<int, int>> livesOfBuffers() const;
  Result<void> placeBuffers(Plan& plan) const;
  Result<void> bindStep(Plan& plan, const PlanStep& step, const KernelProvider& kernels) const;

  int64_t maxRows_, context_;
  std::vector<Buffer> buffers_;
  std::vector<std::variant<PlanStep, PlanGather>> steps_;
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
  ThreadPool& pool() { return pool_; }
  /// Kernels in use, by step, for `--log dispatch` and tests.
  std::vector<std::pair<std::string, KernelSet>> kernels() const;

private:
  friend class PlanBuilder;
  /// A step with everything resolved but addresses that depend on the run.
  struct Bound {
    std::string name;
    KernelSet kernels;
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
  using Outside = std::array<const void*, kMaxOutside>;
  const std::byte* addressOf(const PlanView& view, const PlanSizes& sizes, const Outside& outside) const;
  void run(Bound& step, const PlanSizes& sizes, const Outside& outside);
  void run(const PlanGather& step, const PlanSizes& sizes, const Outside& outside);

  ThreadPool pool_;
  int64_t maxRows_ = 0, context_ = 0;
  std::vector<std::variant<Bound, PlanGather>> steps_;
  std::vector<Place> places_;
  HugeMemory arena_, persistent_, scratch_;
  int64_t sharedScratch_ = 0, threadScratch_ = 0;
  PlanMemory memory_;
};

}  // namespace quern
