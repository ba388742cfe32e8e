// runtime/PlanSession.cpp — see PlanSession.h.
#include "runtime/PlanSession.h"

#include "compiler/base/Check.h"

#include <algorithm>

namespace quern {

Result<std::unique_ptr<PlanSession>> PlanSession::make(std::shared_ptr<const Plan> plan, int threads) {
  std::unique_ptr<PlanSession> session(new PlanSession(std::move(plan), threads));
  const PlanMemory& needs = session->plan_->memory();
  for (auto [into, bytes] : {std::pair{&session->arena_, needs.arenaBytes},
                             {&session->persistent_, needs.persistentBytes},
                             {&session->scratch_, needs.scratchBytes(threads)}}) {
    auto memory = HugeMemory::make(bytes);
    if (!memory) return memory.error();
    *into = *memory;
  }
  size_t dims = 0, buffers = 0;
  for (const auto& each : session->plan_->steps_)
    if (const auto* step = std::get_if<Plan::Bound>(&each))
      dims = std::max(dims, step->dims.size()), buffers = std::max(buffers, step->views.size());
  session->dimValues_.resize(dims);
  session->buffers_.resize(buffers);
  return session;
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

const std::byte* PlanSession::addressOf(const PlanView& view, const Now& now) const {
  const Plan::Place& place = plan_->places_[static_cast<size_t>(view.buffer.index)];
  const std::byte* base = place.data;
  if (place.kind == PlanBuilder::Kind::Activation) base = arena_.data() + place.offset;
  if (place.kind == PlanBuilder::Kind::Persistent) base = persistent_.data() + place.offset;
  if (place.kind == PlanBuilder::Kind::Outside) base = static_cast<const std::byte*>(now.outside[static_cast<size_t>(place.place)]);
  int64_t row = view.origin == PlanDim{} ? 0 : now.value(view.origin);
  return base + bytesOf(view.type, view.column + row * view.rowElements);
}

void PlanSession::run(const Plan::Bound& step, const Now& now) {
  bool none = false;
  for (size_t d = 0; d < step.dims.size(); ++d) {
    dimValues_[d] = now.value(step.dims[d]);
    none = none || dimValues_[d] == 0;
  }
  if (none) return;
  std::span<const int64_t> dims(dimValues_.data(), step.dims.size());
  for (size_t i = 0; i < step.views.size(); ++i) buffers_[i] = addressOf(step.views[i], now);
  const CompiledKernel& kernel = *step.kernels.forDims(dims);
  const PlanMemory& needs = plan_->memory();
  PhaseJob job{&kernel,
               {buffers_.data(), dims.data(), step.strides.data(), nullptr, scratch_.data(), nullptr},
               scratch_.data() + needs.sharedScratchBytes,
               needs.threadScratchBytes,
               0};
  bool share = worthSharing(step.workPerRow * static_cast<double>(dims[0]));
  for (const Formula& phase : kernel.info.phases) {
    int64_t tasks = phase.evaluate(dims).value_or(0);
    if (share) pool_.run(tasks, runPiece, &job);
    else if (tasks > 0) runPiece(&job, 0, 0, tasks);
    job.first += tasks;
  }
}

void PlanSession::run(const PlanGather& step, const Now& now) {
  const auto* ids = reinterpret_cast<const int32_t*>(addressOf({step.ids}, now));
  auto* rows = const_cast<float*>(reinterpret_cast<const float*>(addressOf({step.out}, now)));
  for (int64_t i = 0; i < now.value(step.rows); ++i) step.row(ids[i], rows + i * step.rowElements);
}

std::span<std::byte> PlanSession::persistentRows(size_t place, int64_t count) {
  QUERN_CHECK(place < plan_->persistentRows().size());
  const PlanRows& rows = plan_->persistentRows()[place];
  QUERN_CHECK(count >= 0 && count <= rows.most);
  return {persistent_.data() + rows.offset, static_cast<size_t>(count * rows.rowBytes)};
}

void PlanSession::run(PlanSizes sizes, const Outside& outside) {
  QUERN_CHECK(sizes.size() == plan_->dimensions().size());
  for (size_t i = 0; i < sizes.size(); ++i) QUERN_CHECK(sizes[i] >= 0 && sizes[i] <= plan_->dimensions()[i].most);
  for (const auto& step : plan_->steps_) std::visit([&](const auto& each) { run(each, {sizes, outside}); }, step);
}

}  // namespace quern
