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
  if (step.groups.index < 0) {
    for (size_t i = 0; i < step.views.size(); ++i) buffers_[i] = addressOf(step.views[i], now);
    return call(step);
  }
  const Groups& groups = groups_[static_cast<size_t>(step.groups.index)];
  for (const Group& group : std::span(groups.used).first(groups.count)) {
    for (size_t d = 0; d < step.dims.size(); ++d)
      if (step.dims[d] == step.dims[0]) dimValues_[d] = group.rows;
    for (size_t i = 0; i < step.views.size(); ++i) buffers_[i] = addressOf(step.views[i], now, group.first);
    for (const PlanChoice& choice : step.choices) {
      PlanView own = step.views[choice.operand];
      own.buffer = choice.buffers[static_cast<size_t>(group.expert)];
      buffers_[choice.operand] = addressOf(own, now);
    }
    call(step);
  }
}

/// The step's kernel on the dimensions and buffers that are set.
void PlanSession::call(const Plan::Bound& step) {
  std::span<const int64_t> dims(dimValues_.data(), step.dims.size());
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
