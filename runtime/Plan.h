// runtime/Plan.h — a model as a static list of kernel calls, made once for its largest sizes. What a run writes is a session's
// (PlanSession.h).
#pragma once

#include "runtime/KernelProvider.h"
#include "runtime/Memory.h"

#include <array>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <variant>

namespace quern {

/// A run-time size by its place among those that a plan was given (PlanBuilder::dimension), or a multiple of one.
struct PlanDim {
  int index = -1;
  int64_t times = 1;
  bool operator==(const PlanDim&) const = default;
};
/// A size of a run for each of them, in their order.
using PlanSizes = std::span<const int64_t>;
inline int64_t valueOf(PlanDim dim, PlanSizes sizes) { return sizes[static_cast<size_t>(dim.index)] * dim.times; }

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
  PlanDim origin;                ///< the row that it begins at; none: the first
  PlanDim end;                   ///< of a buffer that keeps few rows: seen as if it had all before this one; none: it keeps all
  ElementType type = ElementType::F32;
};

/// Rows in groups, each for an expert: which there are, a step says as it runs (PlanRoute), or who runs the plan (PlanSession::setGroups).
struct PlanGroups {
  int index = -1;
};

/// One operand of a step that runs once for each group: the constant that each expert has.
struct PlanChoice {
  size_t operand = 0;
  std::vector<PlanBuffer> buffers;  ///< by expert
};

/// One kernel call.
struct PlanStep {
  std::string name;  ///< for --log perf and errors
  OpDesc op;
  std::vector<PlanDim> dims;       ///< of runtimeDims(op), in order
  std::vector<PlanView> operands;  ///< in the kernel's buffer order
  /// With groups: once for each that has rows, of those rows: dimensions like the first, and what is no constant, are of all groups, one
  /// behind the other.
  PlanGroups groups{};
  std::vector<PlanChoice> choices{};
};

/// Picks for each row the `used` experts with the highest scores (of equal ones the first), done by the caller's thread, and puts rows of
/// one expert into a group, ascending. A score that is NaN counts as the lowest; the weights of its row are NaN where it is used.
struct PlanRoute {
  std::string name;
  PlanView scores;  ///< [rows, experts]
  PlanDim rows;
  int64_t experts = 0, used = 0;
  bool normalised = true;      ///< weights are the softmax of the scores that are used, else of all
  PlanBuffer order;            ///< i32 [rows * used]: the row of each place, places in the order of groups
  PlanBuffer places, weights;  ///< i32, f32 [rows, used]: where a row is, and what of it counts, highest score first
  PlanGroups groups;
};

/// Rows of a table by id, done by the caller's thread: whatever the table is, `row` knows how to read it.
struct PlanGather {
  std::string name;
  PlanBuffer ids, out;
  PlanDim rows;
  int64_t rowElements = 0;
  std::function<void(int32_t id, float* row)> row;
};

/// What each session of a plan needs of memory.
struct PlanMemory {
  int64_t arenaBytes = 0, unsharedBytes = 0, persistentBytes = 0;  ///< persistent: with what rings hold
  int64_t sharedScratchBytes = 0, threadScratchBytes = 0;
  int64_t scratchBytes(int threads) const { return sharedScratchBytes + threadScratchBytes * threads; }
};

/// A buffer that persists, as it lies in what a session keeps: a row for each position.
struct PlanRows {
  int64_t offset = 0, rowBytes = 0, most = 0;
  int64_t reach = 0;  ///< no row further back than this is read; 0: any may be
  int ring = -1;      ///< its place among the rings; -1: it is none
};

class Plan;

/// Collects buffers and steps, then fixes everything.
class PlanBuilder {
public:
  struct Dimension {
    std::string name;
    int64_t most;
  };

  /// A size of runs, 0 to `most`. Any run within all of them needs no new plan and allocates nothing.
  PlanDim dimension(std::string name, int64_t most);
  int64_t most(PlanDim dim) const { return dimensions_[static_cast<size_t>(dim.index)].most * dim.times; }
  /// For so many experts.
  PlanGroups groups(int64_t experts) { return groups_.push_back(experts), PlanGroups{static_cast<int>(groups_.size()) - 1}; }

  /// Lives from its first step to its last; `rowElements` floats for each of the rows.
  PlanBuffer activation(int64_t rowElements, PlanDim rows);
  /// Lives as long as a session: a KV cache, a row for each position.
  PlanBuffer persistent(int64_t rowElements, PlanDim rows, ElementType type = ElementType::F32);
  /// The same for steps that read no row further back than `reach` before those they write, at most `written` of them at once: a ring that
  /// keeps those (where it would keep all, as persistent does). Who reads it says the view's `end`, and may touch 63 rows before the first
  /// that it means, whatever they hold.
  PlanBuffer ring(int64_t rowElements, PlanDim rows, ElementType type, int64_t reach, int64_t written);
  /// How many rows of so many bytes it keeps: whole pages of them.
  static int64_t ringRows(int64_t rowBytes, int64_t reach, int64_t written);
  /// The caller's memory, given once (weights), at the latest before finish() ...
  PlanBuffer constant(const void* data = nullptr);
  void setConstant(PlanBuffer buffer, const void* data) { buffers_[static_cast<size_t>(buffer.index)].data = data; }
  /// ... or before each run (ids, logits), by its place in PlanSession::run's `outside`.
  PlanBuffer outside(int place);

  void step(PlanStep step) { steps_.emplace_back(std::move(step)); }
  void route(PlanRoute step) { steps_.emplace_back(std::move(step)); }
  /// Returns its place, for setGather: what `row` reads may be known later, at the latest before finish().
  size_t gather(PlanGather step) { return steps_.emplace_back(std::move(step)), steps_.size() - 1; }
  void setGather(size_t step, std::function<void(int32_t id, float* row)> row) { std::get<PlanGather>(steps_[step]).row = std::move(row); }
  /// Rows that nobody but products reads, all of which would round them alike, leave the step they come from rounded: once, while they
  /// are near, and without a phase of their own. No result has another bit. To be called when all steps are there.
  void handOnRounded();
  /// The kernel calls so far, in order.
  std::vector<const PlanStep*> kernelSteps() const;

  /// Gets the kernels and lays out memory. Errors: what the provider says; Machine: sizes that cannot be counted.
  Result<std::shared_ptr<const Plan>> finish(const KernelProvider& kernels);

private:
  friend class Plan;
  friend class PlanSession;
  enum class Kind : uint8_t { Activation, Persistent, Constant, Outside };
  struct Buffer {
    Kind kind;
    int64_t rowElements = 0;
    PlanDim rows;
    const void* data = nullptr;
    int place = -1;
    ElementType type = ElementType::F32;
    int64_t reach = 0, kept = 0;  ///< of a ring
  };
  PlanBuffer add(Buffer buffer);
  struct Flow;
  std::optional<Flow> flowOf(size_t buffer);
  std::vector<std::pair<int, int>> livesOfBuffers() const;
  std::string largestText() const;
  Result<void> placeBuffers(Plan& plan) const;
  Result<void> bindStep(Plan& plan, const PlanStep& step, const KernelProvider& kernels) const;

  std::vector<Dimension> dimensions_;
  std::vector<Buffer> buffers_;
  std::vector<std::variant<PlanStep, PlanGather, PlanRoute>> steps_;
  std::vector<int64_t> groups_;  ///< experts of each
};

/// A finished plan, which never changes. Threads: any, at once.
class Plan {
public:
  static constexpr size_t kMaxOutside = 4;

  const PlanMemory& memory() const { return memory_; }
  const std::vector<PlanBuilder::Dimension>& dimensions() const { return dimensions_; }
  /// Whether a run that writes its rows from `past` on finds all rows that it reads, where of the first `lost` some were overwritten.
  bool keeps(int64_t past, int64_t lost) const;
  /// How many of the first `written` rows are overwritten at the most; or are not among those that PlanSession::persistentRows gives.
  int64_t lost(int64_t written) const;
  int64_t notGiven(int64_t written) const;
  /// How many rows can be taken back wherever a run stands: it finds all that it reads. Without rings any number.
  int64_t goesBack() const;
  /// Bytes of what persists that a row reads which so many rows stand before.
  int64_t persistentBytesRead(int64_t rows) const;
  /// What persists, in the order in which it was asked for.
  const std::vector<PlanRows>& persistentRows() const { return persistentRows_; }
  /// Kernels in use, by step, for `--log dispatch` and tests.
  std::vector<std::pair<std::string, KernelSet>> kernels() const;

private:
  friend class PlanBuilder;
  friend class PlanSession;
  /// A step with everything resolved but what is a session's or a run's.
  struct Bound {
    std::string name;
    KernelSet kernels;
    std::vector<PlanDim> dims;
    std::vector<PlanView> views;
    std::vector<int64_t> strides;
    double workPerRow = 0;  ///< flops for one row: small ops stay on the calling thread
    PlanGroups groups;
    std::vector<PlanChoice> choices;
  };
  struct Place {
    PlanBuilder::Kind kind;
    int64_t offset = 0;               ///< in the session's arena, or in what persists
    const std::byte* data = nullptr;  ///< of constants
    int place = -1;                   ///< of what a run is given
    int ring = -1;                    ///< its place among the session's
  };
  struct Ring {
    int64_t rows = 0, rowBytes = 0, reach = 0;
  };

  Plan() = default;

  std::vector<PlanBuilder::Dimension> dimensions_;
  std::vector<std::variant<Bound, PlanGather, PlanRoute>> steps_;
  std::vector<int64_t> groups_;
  std::vector<Place> places_;
  std::vector<Ring> rings_;
  int64_t plainBytes_ = 0;  ///< of what persists outside of rings
  std::vector<PlanRows> persistentRows_;
  PlanMemory memory_;
};

}  // namespace quern
