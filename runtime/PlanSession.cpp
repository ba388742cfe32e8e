// runtime/PlanSession.cpp — see PlanSession.h.
#include "runtime/PlanSession.h"

#include "compiler/base/Check.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace quern {

Result<std::unique_ptr<PlanSession>> PlanSession::make(std::shared_ptr<const Plan> plan, int threads) {
  std::unique_ptr<PlanSession> session(new PlanSession(std::move(plan), threads));
  const PlanMemory& needs = session->plan_->memory();
  for (auto [into, bytes] : {std::pair{&session->arena_, needs.arenaBytes},
                             {&session->persistent_, session->plan_->plainBytes_},
                             {&session->scratch_, needs.scratchBytes(threads)}}) {
    auto memory = HugeMemory::make(bytes);
    if (!memory) return memory.error();
    *into = *memory;
  }
  for (const Plan::Ring& ring : session->plan_->rings_) {
    auto memory = RingMemory::make(ring.rows * ring.rowBytes);
    if (!memory) return memory.error();
    session->rings_.push_back(*memory);
  }
  for (int64_t experts : session->plan_->groups_) {
    auto count = static_cast<size_t>(experts);
    session->groups_.push_back({std::vector<int64_t>(count), std::vector<Group>(count), 0});
  }
  size_t most = 1;
  for (int64_t experts : session->plan_->groups_) most = std::max(most, static_cast<size_t>(experts));
  for (const auto& each : session->plan_->steps_)
    if (const auto* step = std::get_if<Plan::Bound>(&each)) {
      session->mostDims_ = std::max(session->mostDims_, step->dims.size());
      session->mostBuffers_ = std::max(session->mostBuffers_, step->views.size());
    }
  session->dimValues_.resize(most * session->mostDims_);
  session->buffers_.resize(most * session->mostBuffers_);
  session->calls_.resize(most);
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

/// Kernels of one phase on several groups, being shared out together: `Call` is PlanSession's.
template <class Call>
struct GroupsJob {
  std::span<const Call> calls;
  const int64_t* strides;
  std::byte* threadScratch;
  int64_t threadBytes;
};

template <class Call>
void runGroupsPiece(void* context, int thread, int64_t begin, int64_t end) {
  const auto& job = *static_cast<GroupsJob<Call>*>(context);
  auto after =
      std::upper_bound(job.calls.begin(), job.calls.end(), begin, [](int64_t task, const Call& call) { return task < call.first; });
  for (auto at = after - 1; begin < end; ++at) {
    int64_t last = std::min(end, at->first + at->tasks);
    QuernArgs args{at->buffers, at->dims, job.strides, nullptr, nullptr, job.threadScratch + thread * job.threadBytes};
    if (begin < last) at->kernel->entry(&args, begin - at->first, last - at->first);
    begin = std::max(begin, last);
  }
}

}  // namespace

const std::byte* PlanSession::addressOf(const PlanView& view, const Now& now, int64_t shift) const {
  const Plan::Place& place = plan_->places_[static_cast<size_t>(view.buffer.index)];
  const std::byte* base = place.data;
  if (place.kind == PlanBuilder::Kind::Activation) base = arena_.data() + place.offset;
  if (place.kind == PlanBuilder::Kind::Persistent) base = persistent_.data() + place.offset;
  if (place.kind == PlanBuilder::Kind::Outside) base = static_cast<const std::byte*>(now.outside[static_cast<size_t>(place.place)]);
  int64_t row = view.origin == PlanDim{} ? 0 : now.value(view.origin);
  if (place.ring >= 0) {
    const Plan::Ring& ring = plan_->rings_[static_cast<size_t>(place.ring)];
    base = rings_[static_cast<size_t>(place.ring)].data() + bytesOf(view.type, view.column);
    if (view.end == PlanDim{}) return base + row % ring.rows * ring.rowBytes;
    // Row r is at r modulo the ring's rows; those that are read lie behind the first that is kept, in one piece.
    int64_t first = std::max<int64_t>(0, now.value(view.end) - ring.rows);
    return base + (first % ring.rows - first) * ring.rowBytes;
  }
  return base + bytesOf(view.type, view.column + (row + shift) * view.rowElements);
}

void PlanSession::run(const Plan::Bound& step, const Now& now) {
  bool none = false;
  for (size_t d = 0; d < step.dims.size(); ++d) {
    dimValues_[d] = now.value(step.dims[d]);
    none = none || dimValues_[d] == 0;
  }
  if (none) return;
  if (step.groups.index >= 0) return runGroups(step, now);
  for (size_t i = 0; i < step.views.size(); ++i) buffers_[i] = addressOf(step.views[i], now);
  call(step, callOf(step, 0, dimValues_[0]));
}

/// The groups' calls together, where none has more than one phase or scratch that its threads share; else one after the other.
void PlanSession::runGroups(const Plan::Bound& step, const Now& now) {
  const Groups& groups = groups_[static_cast<size_t>(step.groups.index)];
  bool together = true;
  int64_t tasks = 0, rows = 0;
  for (size_t g = 0; g < groups.count; ++g) {
    const Group& group = groups.used[g];
    const void** buffers = buffers_.data() + g * mostBuffers_;
    for (size_t d = 0; d < step.dims.size(); ++d)
      dimValues_[g * mostDims_ + d] = step.dims[d] == step.dims[0] ? group.rows : now.value(step.dims[d]);
    for (size_t i = 0; i < step.views.size(); ++i) buffers[i] = addressOf(step.views[i], now, group.first);
    for (const PlanChoice& choice : step.choices) {
      PlanView own = step.views[choice.operand];
      own.buffer = choice.buffers[static_cast<size_t>(group.expert)];
      buffers[choice.operand] = addressOf(own, now);
    }
    Call& call = calls_[g] = callOf(step, g, group.rows);
    call.first = tasks;
    tasks += call.tasks, rows += group.rows;
    // What a call's threads share is there once.
    std::span<const int64_t> dims(call.dims, step.dims.size());
    const KernelInfo& info = call.kernel->info;
    together = together && info.phases.size() == 1 && info.sharedScratchBytes.evaluate(dims).value_or(1) == 0;
  }
  std::span<const Call> calls(calls_.data(), groups.count);
  if (!together) {
    for (const Call& each : calls) call(step, each);
    return;
  }
  const PlanMemory& needs = plan_->memory();
  GroupsJob<Call> job{calls, step.strides.data(), scratch_.data() + needs.sharedScratchBytes, needs.threadScratchBytes};
  if (worthSharing(step.workPerRow * static_cast<double>(rows))) pool_.run(tasks, runGroupsPiece<Call>, &job);
  else if (tasks > 0) runGroupsPiece<Call>(&job, 0, 0, tasks);
}

/// The kernel for the dimensions at `place`.
PlanSession::Call PlanSession::callOf(const Plan::Bound& step, size_t place, int64_t rows) {
  std::span<const int64_t> dims(dimValues_.data() + place * mostDims_, step.dims.size());
  const CompiledKernel& kernel = *step.kernels.forDims(dims);
  int64_t tasks = rows > 0 ? kernel.info.phases[0].evaluate(dims).value_or(0) : 0;
  return {&kernel, dims.data(), buffers_.data() + place * mostBuffers_, tasks, 0};
}

/// Phase after phase.
void PlanSession::call(const Plan::Bound& step, const Call& call) {
  std::span<const int64_t> dims(call.dims, step.dims.size());
  const PlanMemory& needs = plan_->memory();
  PhaseJob job{call.kernel,
               {call.buffers, call.dims, step.strides.data(), nullptr, scratch_.data(), nullptr},
               scratch_.data() + needs.sharedScratchBytes,
               needs.threadScratchBytes,
               0};
  bool share = worthSharing(step.workPerRow * static_cast<double>(dims[0]));
  for (const Formula& phase : call.kernel->info.phases) {
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

/// The place of the highest score that is not above the last one taken: by score, of equal ones the first.
static int64_t nextHighest(const float* scores, int64_t count, int64_t last) {
  auto valueAt = [&](int64_t i) { return std::isnan(scores[i]) ? -std::numeric_limits<float>::infinity() : scores[i]; };
  int64_t best = -1;
  for (int64_t i = 0; i < count; ++i) {
    bool left = last < 0 || valueAt(i) < valueAt(last) || (valueAt(i) == valueAt(last) && i > last);
    if (left && (best < 0 || valueAt(i) > valueAt(best))) best = i;
  }
  return best;
}

void PlanSession::run(const PlanRoute& step, const Now& now) {
  auto rows = now.value(step.rows);
  auto floats = [&](const PlanView& view) { return reinterpret_cast<float*>(const_cast<std::byte*>(addressOf(view, now))); };
  auto ids = [&](PlanBuffer buffer) { return reinterpret_cast<int32_t*>(const_cast<std::byte*>(addressOf({.buffer = buffer}, now))); };
  int32_t *order = ids(step.order), *places = ids(step.places);
  float *scores = floats(step.scores), *weights = floats({.buffer = step.weights});
  Groups& groups = groups_[static_cast<size_t>(step.groups.index)];
  std::fill(groups.counts.begin(), groups.counts.end(), 0);
  for (int64_t row = 0; row < rows; ++row) {
    const float* own = scores + row * step.scores.strides[0];
    double sum = 0, top = 0;
    for (int64_t j = 0, last = -1; j < step.used; ++j) {
      last = nextHighest(own, step.experts, last);
      if (j == 0) top = double{own[last]};
      places[row * step.used + j] = static_cast<int32_t>(last);  // the expert, until its rows are counted
      if (step.normalised) sum += std::exp(double{own[last]} - top);
      ++groups.counts[static_cast<size_t>(last)];
    }
    for (int64_t i = 0; i < step.experts && !step.normalised; ++i) sum += std::exp(double{own[i]} - top);
    for (int64_t j = 0; j < step.used; ++j) {
      double weight = std::exp(double{own[places[row * step.used + j]]} - top);
      weights[row * step.used + j] = static_cast<float>(weight / sum);
    }
  }
  groups.count = 0;
  int64_t first = 0;
  for (size_t expert = 0; expert < groups.counts.size(); ++expert) {
    int64_t count = groups.counts[expert];
    groups.counts[expert] = first;  // from here on where its next row goes
    if (count > 0) groups.used[groups.count++] = {static_cast<int64_t>(expert), first, count};
    first += count;
  }
  for (int64_t i = 0; i < rows * step.used; ++i) {
    int64_t place = groups.counts[static_cast<size_t>(places[i])]++;
    order[place] = static_cast<int32_t>(i / step.used);
    places[i] = static_cast<int32_t>(place);
  }
}

void PlanSession::setGroups(PlanGroups groups, std::span<const Group> all) {
  Groups& into = groups_[static_cast<size_t>(groups.index)];
  QUERN_CHECK(all.size() <= into.used.size());
  std::copy(all.begin(), all.end(), into.used.begin());
  into.count = all.size();
}

std::span<std::byte> PlanSession::persistentRows(size_t place, int64_t count) {
  QUERN_CHECK(place < plan_->persistentRows().size());
  const PlanRows& rows = plan_->persistentRows()[place];
  QUERN_CHECK(count >= 0 && count <= rows.most);
  if (rows.ring < 0) return {persistent_.data() + rows.offset, static_cast<size_t>(count * rows.rowBytes)};
  const Plan::Ring& ring = plan_->rings_[static_cast<size_t>(rows.ring)];
  int64_t kept = std::min(count, ring.reach);
  std::byte* first = rings_[static_cast<size_t>(rows.ring)].data() + (count - kept) % ring.rows * rows.rowBytes;
  return {first, static_cast<size_t>(kept * rows.rowBytes)};
}

void PlanSession::run(PlanSizes sizes, const Outside& outside) {
  QUERN_CHECK(sizes.size() == plan_->dimensions().size());
  for (size_t i = 0; i < sizes.size(); ++i) QUERN_CHECK(sizes[i] >= 0 && sizes[i] <= plan_->dimensions()[i].most);
  for (const auto& step : plan_->steps_) std::visit([&](const auto& each) { run(each, {sizes, outside}); }, step);
}

}  // namespace quern
