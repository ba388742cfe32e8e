// runtime/Plan.cpp — see Plan.h.
#include "runtime/Plan.h"

#include "compiler/base/Check.h"
#include "compiler/base/Checked.h"

#include <algorithm>
#include <fmt/format.h>

namespace quern {

PlanBuffer PlanBuilder::add(Buffer buffer) {
  buffers_.push_back(buffer);
  return {static_cast<int>(buffers_.size()) - 1};
}

PlanBuffer PlanBuilder::activation(int64_t rowElements) { return add({Kind::Activation, rowElements, nullptr, -1}); }
PlanBuffer PlanBuilder::perPosition(int64_t rowElements, ElementType type) {
  return add({Kind::PerPosition, rowElements, nullptr, -1, type});
}
PlanBuffer PlanBuilder::constant(const void* data) { return add({Kind::Constant, 0, data, -1}); }
PlanBuffer PlanBuilder::outside(int place) { return add({Kind::Outside, 0, nullptr, place}); }

std::vector<const PlanStep*> PlanBuilder::kernelSteps() const {
  std::vector<const PlanStep*> steps;
  for (const auto& each : steps_)
    if (const auto* step = std::get_if<PlanStep>(&each)) steps.push_back(step);
  return steps;
}

/// The first and the last step that touches each buffer.
std::vector<std::pair<int, int>> PlanBuilder::livesOfBuffers() const {
  std::vector<std::pair<int, int>> lives(buffers_.size(), {INT32_MAX, -1});
  for (size_t s = 0; s < steps_.size(); ++s) {
    auto touch = [&](PlanBuffer buffer) {
      auto& [first, last] = lives[static_cast<size_t>(buffer.index)];
      first = std::min(first, static_cast<int>(s));
      last = std::max(last, static_cast<int>(s));
    };
    if (const auto* step = std::get_if<PlanStep>(&steps_[s]))
      for (const PlanView& view : step->operands) touch(view.buffer);
    else touch(std::get<PlanGather>(steps_[s]).out);
  }
  return lives;
}

Result<void> PlanBuilder::placeBuffers(Plan& plan) const {
  std::vector<std::pair<int, int>> lives = livesOfBuffers();
  ArenaLayout layout;
  std::vector<int> slots(buffers_.size(), -1);
  int64_t persistent = 0;
  std::vector<int64_t> offsets(buffers_.size());
  for (size_t i = 0; i < buffers_.size(); ++i) {
    const Buffer& buffer = buffers_[i];
    int64_t rows = buffer.kind == Kind::PerPosition ? context_ : maxRows_;
    auto elements = checkedMul(buffer.rowElements, rows);
    auto bytes = elements ? checkedMul(*elements, 4) : std::nullopt;
    auto end = bytes ? checkedAdd(persistent, *bytes + 64) : std::nullopt;
    if (!end)
      return machineLacks(
          fmt::format("a plan of {} rows and {} positions has a buffer of {} elements a row: more bytes than can be counted", maxRows_,
                      context_, buffer.rowElements));
    if (buffer.kind == Kind::Activation && lives[i].second >= 0) slots[i] = layout.add(*bytes, lives[i].first, lives[i].second);
    if (buffer.kind != Kind::PerPosition) continue;
    offsets[i] = persistent;
    persistent += roundUp(bytesOf(buffer.type, *elements), 64);
  }
  layout.place();
  for (auto [into, bytes] : {std::pair{&plan.arena_, layout.bytes()}, {&plan.persistent_, persistent}}) {
    auto memory = HugeMemory::make(bytes);
    if (!memory) return memory.error();
    *into = *memory;
  }
  for (size_t i = 0; i < buffers_.size(); ++i) {
    const Buffer& buffer = buffers_[i];
    Plan::Place place{buffer.kind, nullptr, buffer.place};
    if (slots[i] >= 0) place.base = plan.arena_.data() + layout.offset(slots[i]);
    if (buffer.kind == Kind::PerPosition) place.base = plan.persistent_.data() + offsets[i];
    if (buffer.kind == Kind::Constant) place.base = static_cast<const std::byte*>(buffer.data);
    plan.places_.push_back(place);
  }
  plan.memory_ = {layout.bytes(), layout.unsharedBytes(), persistent, 0};
  return {};
}

/// Kernel, strides and scratch of one step.
Result<void> PlanBuilder::bindStep(Plan& plan, const PlanStep& step, const KernelProvider& kernels) const {
  auto set = kernels(step.op);
  if (!set) return set.error();
  const KernelInfo& info = set->info();
  QUERN_CHECK_FOR(info.buffers.size() == step.operands.size() && info.dims.size() == step.dims.size(), info.op);
  Plan::Bound bound;
  bound.name = step.name;
  bound.kernels = *set;
  bound.dims = step.dims;
  bound.views = step.operands;
  bound.dimValues.resize(info.dims.size());
  bound.buffers.resize(info.buffers.size());
  for (size_t i = 0; i < info.buffers.size(); ++i) {
    auto count = static_cast<std::ptrdiff_t>(info.buffers[i].strides);
    QUERN_CHECK_FOR(static_cast<std::ptrdiff_t>(step.operands[i].strides.size()) >= count, info.op);
    bound.strides.insert(bound.strides.end(), step.operands[i].strides.begin(), step.operands[i].strides.begin() + count);
  }
  // Scratch and work at the largest sizes.
  std::vector<int64_t> largest;
  DimValues values;
  for (size_t d = 0; d < step.dims.size(); ++d) {
    largest.push_back(step.dims[d] == PlanDim::Positions ? context_ : maxRows_);
    values[info.dims[d]] = largest.back();
  }
  std::vector<std::pair<const KernelInfo*, std::vector<int64_t>>> infos = {{&info, largest}};
  for (const SizedKernel& small : set->sized) {
    std::vector<int64_t>& sizes = infos.emplace_back(&small.kernel->info, largest).second;
    for (auto [dim, most] : {std::pair{set->rowDim, small.most.rows}, {set->keyDim, small.most.keys}})
      if (dim != KernelSet::kNoDim && most > 0) sizes[dim] = std::min(sizes[dim], most);
  }
  for (const auto& [each, dims] : infos) {
    auto shared = each->sharedScratchBytes.evaluate(dims), own = each->threadScratchBytes.evaluate(dims);
    if (!shared || !own) return badInput(fmt::format("{}: scratch overflows at {} rows", info.op, maxRows_));
    plan.sharedScratch_ = std::max(plan.sharedScratch_, roundUp(*shared, 64));
    plan.threadScratch_ = std::max(plan.threadScratch_, roundUp(*own, 64));
  }
  bound.workPerRow = flopsOf(fixed(step.op, values)) / static_cast<double>(maxRows_);
  plan.steps_.emplace_back(std::move(bound));
  return {};
}

Result<std::unique_ptr<Plan>> PlanBuilder::finish(const KernelProvider& kernels, int threads) {
  std::unique_ptr<Plan> plan(new Plan(threads));
  plan->maxRows_ = maxRows_;
  plan->context_ = context_;
  if (auto good = placeBuffers(*plan); !good) return good.error();
  for (const auto& each : steps_) {
    if (const auto* gather = std::get_if<PlanGather>(&each)) {
      plan->steps_.emplace_back(*gather);
      continue;
    }
    if (auto good = bindStep(*plan, std::get<PlanStep>(each), kernels); !good) return good.error();
  }
  auto scratch = HugeMemory::make(plan->sharedScratch_ + plan->threadScratch_ * threads);
  if (!scratch) return scratch.error();
  plan->scratch_ = *scratch;
  plan->memory_.scratchBytes = plan->sharedScratch_ + plan->threadScratch_ * threads;
  return plan;
}

namespace {

/// One phase being shared out.
struct PhaseJob {
  const CompiledKernel* kernel;
  QuernArgs args;
  std::byte* threadScratch;
  int64_t threadBytes, first;
};

void runPiece(void* context, int thread, int64_t begin, int64_t end) {
  const auto& job = *static_cast<PhaseJob*>(context);
  QuernArgs args = job.args;
  args.threadScratch = job.threadScratch + thread * job.threadBytes;
  job.kernel->entry(&args, job.first + begin, job.first + end);
}

}  // namespace

const std::byte* Plan::addressOf(const PlanView& view, const PlanSizes& sizes, const Outside& outside) const {
  const Place& place = places_[static_cast<size_t>(view.buffer.index)];
  const auto* base =
      place.kind == PlanBuilder::Kind::Outside ? static_cast<const std::byte*>(outside[static_cast<size_t>(place.place)]) : place.base;
  int64_t row = view.origin == PlanOrigin::First ? 0 : view.origin == PlanOrigin::Past ? sizes.past : sizes.rows - sizes.outputs;
  return base + bytesOf(view.type, view.column + row * view.rowElements);
}

void Plan::run(Bound& step, const PlanSizes& sizes, const Outside& outside) {
  bool none = false;
  for (size_t d = 0; d < step.dims.size(); ++d) {
    step.dimValues[d] = valueOf(step.dims[d], sizes);
    none = none || step.dimValues[d] == 0;
  }
  if (none) return;
  for (size_t i = 0; i < step.views.size(); ++i) step.buffers[i] = addressOf(step.views[i], sizes, outside);
  const CompiledKernel& kernel = *step.kernels.forDims(step.dimValues);
  PhaseJob job{&kernel,
               {step.buffers.data(), step.dimValues.data(), step.strides.data(), nullptr, scratch_.data(), nullptr},
               scratch_.data() + sharedScratch_,
               threadScratch_,
               0};
  bool share = worthSharing(step.workPerRow * static_cast<double>(step.dimValues[0]));
  for (const Formula& phase : kernel.info.phases) {
    int64_t tasks = phase.evaluate(step.dimValues).value_or(0);
    if (share) pool_.run(tasks, runPiece, &job);
    else if (tasks > 0) runPiece(&job, 0, 0, tasks);
    job.first += tasks;
  }
}

void Plan::run(const PlanGather& step, const PlanSizes& sizes, const Outside& outside) {
  const auto* ids = reinterpret_cast<const int32_t*>(addressOf({step.ids}, sizes, outside));
  auto* rows = const_cast<float*>(reinterpret_cast<const float*>(addressOf({step.out}, sizes, outside)));
  for (int64_t i = 0; i < sizes.rows; ++i) step.row(ids[i], rows + i * step.rowElements);
}

void Plan::run(const PlanSizes& sizes, const std::array<const void*, kMaxOutside>& outside) {
  QUERN_CHECK(sizes.rows >= 0 && sizes.rows <= maxRows_ && sizes.past >= 0 && sizes.past + sizes.rows <= context_ && sizes.outputs >= 0 &&
              sizes.outputs <= sizes.rows);
  for (auto& step : steps_) std::visit([&](auto& each) { run(each, sizes, outside); }, step);
}

std::vector<std::pair<std::string, KernelSet>> Plan::kernels() const {
  std::vector<std::pair<std::string, KernelSet>> list;
  for (const auto& each : steps_)
    if (const auto* step = std::get_if<Bound>(&each)) list.emplace_back(step->name, step->kernels);
  return list;
}

}  // namespace quern
