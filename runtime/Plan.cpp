// runtime/Plan.cpp — see Plan.h.
#include "runtime/Plan.h"

#include "compiler/base/Check.h"
#include "compiler/base/Checked.h"

#include <algorithm>
#include <fmt/format.h>
#include <limits>
#include <numeric>

namespace quern {

PlanBuffer PlanBuilder::add(Buffer buffer) {
  buffers_.push_back(buffer);
  return {static_cast<int>(buffers_.size()) - 1};
}

PlanDim PlanBuilder::dimension(std::string name, int64_t most) {
  dimensions_.push_back({std::move(name), most});
  return {static_cast<int>(dimensions_.size()) - 1};
}

PlanBuffer PlanBuilder::activation(int64_t rowElements, PlanDim rows) { return add({Kind::Activation, rowElements, rows}); }
PlanBuffer PlanBuilder::persistent(int64_t rowElements, PlanDim rows, ElementType type) {
  return add({Kind::Persistent, rowElements, rows, nullptr, -1, type});
}
int64_t PlanBuilder::ringRows(int64_t rowBytes, int64_t reach, int64_t written) {
  constexpr int64_t kBefore = 63;  // a tile of 64 keys may begin so far before the first that counts
  return roundUp(reach + written + kBefore, RingMemory::kPage / std::gcd(rowBytes, RingMemory::kPage));
}

PlanBuffer PlanBuilder::ring(int64_t rowElements, PlanDim rows, ElementType type, int64_t reach, int64_t written) {
  int64_t kept = ringRows(bytesOf(type, rowElements), reach, written);
  return add({Kind::Persistent, rowElements, rows, nullptr, -1, type, reach, kept < most(rows) ? kept : 0});
}
PlanBuffer PlanBuilder::constant(const void* data) { return add({Kind::Constant, 0, {}, data}); }
PlanBuffer PlanBuilder::outside(int place) { return add({Kind::Outside, 0, {}, nullptr, place}); }

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
    else if (const auto* gather = std::get_if<PlanGather>(&steps_[s])) touch(gather->out);
    else
      for (const PlanRoute& route = std::get<PlanRoute>(steps_[s]);
           PlanBuffer each : {route.scores.buffer, route.order, route.places, route.weights})
        touch(each);
  }
  return lives;
}

Result<void> PlanBuilder::placeBuffers(Plan& plan) const {
  std::vector<std::pair<int, int>> lives = livesOfBuffers();
  ArenaLayout layout;
  std::vector<int> slots(buffers_.size(), -1);
  int64_t persistent = 0;
  int rings = 0;
  std::vector<int64_t> offsets(buffers_.size());
  for (size_t i = 0; i < buffers_.size(); ++i) {
    const Buffer& buffer = buffers_[i];
    if (buffer.kind != Kind::Activation && buffer.kind != Kind::Persistent) continue;
    auto elements = checkedMul(buffer.rowElements, most(buffer.rows));
    auto bytes = elements ? checkedMul(*elements, 4) : std::nullopt;
    auto end = bytes ? checkedAdd(persistent, *bytes + 64) : std::nullopt;
    if (!end)
      return machineLacks(fmt::format("a plan of {} has a buffer of {} elements for each of the {}: more bytes than can be counted",
                                      largestText(), buffer.rowElements, dimensions_[static_cast<size_t>(buffer.rows.index)].name));
    if (buffer.kind == Kind::Activation && lives[i].second >= 0) slots[i] = layout.add(*bytes, lives[i].first, lives[i].second);
    if (buffer.kind != Kind::Persistent) continue;
    bool ring = buffer.kept > 0;
    plan.persistentRows_.push_back(
        {ring ? 0 : persistent, bytesOf(buffer.type, buffer.rowElements), most(buffer.rows), buffer.reach, ring ? rings++ : -1});
    if (ring) continue;
    offsets[i] = persistent;
    persistent += roundUp(bytesOf(buffer.type, *elements), 64);
  }
  int64_t inRings = 0;
  layout.place();
  for (size_t i = 0; i < buffers_.size(); ++i) {
    const Buffer& buffer = buffers_[i];
    int64_t offset = slots[i] >= 0 ? layout.offset(slots[i]) : offsets[i];
    plan.places_.push_back({buffer.kind, offset, static_cast<const std::byte*>(buffer.data), buffer.place, -1});
    if (buffer.kept == 0) continue;
    plan.places_.back().ring = static_cast<int>(plan.rings_.size());
    plan.rings_.push_back({buffer.kept, bytesOf(buffer.type, buffer.rowElements), buffer.reach});
    inRings += plan.rings_.back().rows * plan.rings_.back().rowBytes;
  }
  plan.memory_ = {layout.bytes(), layout.unsharedBytes(), persistent + inRings};
  plan.plainBytes_ = persistent;
  return {};
}

/// "512 rows, 4096 positions".
std::string PlanBuilder::largestText() const {
  std::string all;
  for (const Dimension& one : dimensions_) all += fmt::format("{}{} {}", all.empty() ? "" : ", ", one.most, one.name);
  return all;
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
  bound.groups = step.groups;
  bound.choices = step.choices;
  for (size_t i = 0; i < info.buffers.size(); ++i) {
    auto count = static_cast<std::ptrdiff_t>(info.buffers[i].strides);
    QUERN_CHECK_FOR(static_cast<std::ptrdiff_t>(step.operands[i].strides.size()) >= count, info.op);
    bound.strides.insert(bound.strides.end(), step.operands[i].strides.begin(), step.operands[i].strides.begin() + count);
  }
  // Scratch and work at the largest sizes.
  std::vector<int64_t> largest;
  DimValues values;
  for (size_t d = 0; d < step.dims.size(); ++d) {
    largest.push_back(most(step.dims[d]));
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
    if (!shared || !own) return badInput(fmt::format("{}: scratch overflows at {}", info.op, largestText()));
    PlanMemory& memory = plan.memory_;
    memory.sharedScratchBytes = std::max(memory.sharedScratchBytes, roundUp(*shared, 64));
    memory.threadScratchBytes = std::max(memory.threadScratchBytes, roundUp(*own, 64));
  }
  bound.workPerRow = flopsOf(fixed(step.op, values)) / static_cast<double>(std::max<int64_t>(1, largest[0]));
  plan.steps_.emplace_back(std::move(bound));
  return {};
}

Result<std::shared_ptr<const Plan>> PlanBuilder::finish(const KernelProvider& kernels) {
  std::shared_ptr<Plan> plan(new Plan);
  plan->dimensions_ = dimensions_;
  plan->groups_ = groups_;
  if (auto good = placeBuffers(*plan); !good) return good.error();
  for (const auto& each : steps_) {
    if (const auto* gather = std::get_if<PlanGather>(&each)) {
      plan->steps_.emplace_back(*gather);
      continue;
    }
    if (const auto* route = std::get_if<PlanRoute>(&each)) {
      plan->steps_.emplace_back(*route);
      continue;
    }
    if (auto good = bindStep(*plan, std::get<PlanStep>(each), kernels); !good) return good.error();
  }
  return std::shared_ptr<const Plan>(std::move(plan));
}

bool Plan::keeps(int64_t past, int64_t lost) const {
  return std::all_of(rings_.begin(), rings_.end(),
                     [&](const Ring& ring) { return past == 0 || std::max<int64_t>(0, past + 1 - ring.reach) >= lost; });
}

int64_t Plan::lost(int64_t written) const {
  int64_t lost = 0;
  for (const Ring& ring : rings_) lost = std::max(lost, written - ring.rows);
  return lost;
}

int64_t Plan::goesBack() const {
  int64_t most = std::numeric_limits<int64_t>::max();
  for (const Ring& ring : rings_) most = std::min(most, ring.rows - ring.reach + 1);
  return most;
}

int64_t Plan::persistentBytesRead(int64_t rows) const {
  int64_t bytes = 0;
  for (const PlanRows& each : persistentRows_) bytes += (each.reach == 0 ? rows : std::min(rows, each.reach)) * each.rowBytes;
  return bytes;
}

int64_t Plan::notGiven(int64_t written) const {
  int64_t lost = 0;
  for (const Ring& ring : rings_) lost = std::max(lost, written - ring.reach);
  return lost;
}

std::vector<std::pair<std::string, KernelSet>> Plan::kernels() const {
  std::vector<std::pair<std::string, KernelSet>> list;
  for (const auto& each : steps_)
    if (const auto* step = std::get_if<Bound>(&each)) list.emplace_back(step->name, step->kernels);
  return list;
}

}  // namespace quern
