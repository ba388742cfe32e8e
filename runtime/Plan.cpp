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
PlanBuffer PlanBuilder::perPosition(int64_t rowElements) { return add({Kind::PerPosition, rowElements, nullptr, -1}); }
PlanBuffer PlanBuilder::constant(const void* data) { return add({Kind::Constant, 0, data, -1}); }
PlanBuffer PlanBuilder::outside(int place) { return add({Kind::Outside, 0, nullptr, place}); }

Result<std::unique_ptr<Plan>> PlanBuilder::finish(const KernelProvider& kernels, int threads) {
  std::unique_ptr<Plan> plan(new Plan(threads));
  plan->maxRows_ = maxRows_;
  plan->context_ = context_;
  // Lives of activations, in steps.
  std::vector<std::pair<int, int>> lives(buffers_.size(), {INT32_MAX, -1});
  for (size_t s = 0; s < steps_.size(); ++s)
    for (const PlanView& view : steps_[s].operands) {
      auto& [first, last] = lives[static_cast<size_t>(view.buffer.index)];
      first = std::min(first, static_cast<int>(s));
      last = std::max(last, static_cast<int>(s));
    }
  ArenaLayout layout;
  std::vector<int> slots(buffers_.size(), -1);
  int64_t persistent = 0;
  std::vector<int64_t> offsets(buffers_.size());
  for (size_t i = 0; i < buffers_.size(); ++i) {
    const Buffer& buffer = buffers_[i];
    if (buffer.kind == Kind::Activation && lives[i].second >= 0) slots[i] = layout.add(buffer.rowElements * maxRows_ * 4, lives[i].first, lives[i].second);
    if (buffer.kind == Kind::PerPosition) {
      offsets[i] = persistent;
      persistent += roundUp(buffer.rowElements * context_ * 4, 64);
    }
  }
  layout.place();
  for (auto [into, bytes] : {std::pair{&plan->arena_, layout.bytes()}, {&plan->persistent_, persistent}}) {
    auto memory = HugeMemory::make(bytes);
    if (!memory) return memory.error();
    *into = *memory;
  }
  for (size_t i = 0; i < buffers_.size(); ++i) {
    const Buffer& buffer = buffers_[i];
    Plan::Place place{buffer.kind, nullptr, buffer.place};
    if (slots[i] >= 0) place.base = plan->arena_.data() + layout.offset(slots[i]);
    if (buffer.kind == Kind::PerPosition) place.base = plan->persistent_.data() + offsets[i];
    if (buffer.kind == Kind::Constant) place.base = static_cast<const std::byte*>(buffer.data);
    plan->places_.push_back(place);
  }
  for (const PlanStep& step : steps_) {
    auto kernel = kernels(step.op);
    if (!kernel) return kernel.error();
    const KernelInfo& info = (*kernel)->info;
    QUERN_CHECK_FOR(info.buffers.size() == step.operands.size() && info.dims.size() == step.dims.size(), info.op);
    Plan::Bound bound;
    bound.name = step.name;
    bound.kernel = *kernel;
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
      largest.push_back(step.dims[d] == PlanDim::Rows ? maxRows_ : context_);
      values[info.dims[d]] = largest.back();
    }
    std::vector<std::pair<const KernelInfo*, std::vector<int64_t>>> infos = {{&info, largest}};
    for (const auto& [rows, narrower] : (*kernel)->narrower) {
      infos.emplace_back(&narrower->info, largest);
      int64_t& most = infos.back().second[(*kernel)->rowDim];
      most = std::min(most, rows);
    }
    for (const auto& [each, dims] : infos) {
      auto shared = each->sharedScratchBytes.evaluate(dims), own = each->threadScratchBytes.evaluate(dims);
      if (!shared || !own) return badInput(fmt::format("{}: scratch overflows at {} rows", info.op, maxRows_));
      plan->sharedScratch_ = std::max(plan->sharedScratch_, roundUp(*shared, 64));
      plan->threadScratch_ = std::max(plan->threadScratch_, roundUp(*own, 64));
    }
    bound.workPerRow = flopsOf(fixed(step.op, values)) / static_cast<double>(maxRows_);
    plan->steps_.push_back(std::move(bound));
  }
  auto scratch = HugeMemory::make(plan->sharedScratch_ + plan->threadScratch_ * threads);
  if (!scratch) return scratch.error();
  plan->scratch_ = *scratch;
  plan->memory_ = {layout.bytes(), layout.unsharedBytes(), persistent, plan->sharedScratch_ + plan->threadScratch_ * threads};
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

void Plan::runStep(Bound& step, const PlanSizes& sizes, const std::array<const void*, kMaxOutside>& outside) {
  for (size_t d = 0; d < step.dims.size(); ++d) step.dimValues[d] = step.dims[d] == PlanDim::Rows ? sizes.rows : sizes.past + sizes.rows;
  for (size_t i = 0; i < step.views.size(); ++i) {
    const PlanView& view = step.views[i];
    const Place& place = places_[static_cast<size_t>(view.buffer.index)];
    const auto* base = place.kind == PlanBuilder::Kind::Outside ? static_cast<const std::byte*>(outside[static_cast<size_t>(place.place)]) : place.base;
    int64_t elements = view.column + (view.fromPast ? sizes.past * view.rowElements : 0);
    step.buffers[i] = base + elements * 4;
  }
  const CompiledKernel& kernel = step.kernel->forDims(step.dimValues);
  PhaseJob job{&kernel, {step.buffers.data(), step.dimValues.data(), step.strides.data(), nullptr, scratch_.data(), nullptr},
               scratch_.data() + sharedScratch_, threadScratch_, 0};
  bool share = worthSharing(step.workPerRow * static_cast<double>(sizes.rows));
  for (const Formula& phase : kernel.info.phases) {
    int64_t tasks = phase.evaluate(step.dimValues).value_or(0);
    if (share) pool_.run(tasks, runPiece, &job);
    else if (tasks > 0) runPiece(&job, 0, 0, tasks);
    job.first += tasks;
  }
}

void Plan::run(const PlanSizes& sizes, const std::array<const void*, kMaxOutside>& outside) {
  QUERN_CHECK(sizes.rows >= 0 && sizes.rows <= maxRows_ && sizes.past >= 0 && sizes.past + sizes.rows <= context_);
  for (Bound& step : steps_) runStep(step, sizes, outside);
}

std::vector<std::pair<std::string, KernelRef>> Plan::kernels() const {
  std::vector<std::pair<std::string, KernelRef>> list;
  for (const Bound& step : steps_) list.emplace_back(step.name, step.kernel);
  return list;
}

}  // namespace quern
