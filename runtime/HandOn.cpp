// runtime/HandOn.cpp — rows that are rounded where they come from (PlanBuilder::handOnRounded).
#include "runtime/Plan.h"

#include <algorithm>

namespace quern {

/// A buffer that one step writes and others read as their first operand, all of it.
struct PlanBuilder::Flow {
  PlanStep* from = nullptr;
  std::vector<PlanStep*> to;
};

static bool isWhole(const PlanView& view, int64_t rowElements) {
  return view.column == 0 && view.type == ElementType::F32 &&
         std::all_of(view.strides.begin(), view.strides.end(), [&](int64_t stride) { return stride == rowElements; });
}

std::optional<PlanBuilder::Flow> PlanBuilder::flowOf(size_t buffer) {
  int64_t elements = buffers_[buffer].rowElements;
  Flow flow;
  for (auto& each : steps_) {
    if (const auto* gather = std::get_if<PlanGather>(&each)) {
      if (gather->out.index == static_cast<int>(buffer)) return std::nullopt;
      continue;
    }
    if (const auto* route = std::get_if<PlanRoute>(&each)) {
      for (PlanBuffer used : {route->scores.buffer, route->order, route->places, route->weights})
        if (used.index == static_cast<int>(buffer)) return std::nullopt;
      continue;
    }
    auto& step = std::get<PlanStep>(each);
    for (size_t i = 0; i < step.operands.size(); ++i) {
      const PlanView& view = step.operands[i];
      if (view.buffer.index != static_cast<int>(buffer)) continue;
      bool writes = i + 1 == step.operands.size();
      if (!isWhole(view, elements) || (writes ? flow.from != nullptr : i != 0)) return std::nullopt;
      if (writes) flow.from = &step;
      else flow.to.push_back(&step);
    }
  }
  bool all = std::all_of(flow.to.begin(), flow.to.end(), [&](PlanStep* step) {
    return inputsOf(step->op)[0].dims.back().value == elements && mayArriveAs(step->op) == mayArriveAs(flow.to[0]->op);
  });
  if (flow.from == nullptr || flow.to.empty() || !all) return std::nullopt;
  return flow;
}

void PlanBuilder::handOnRounded() {
  for (size_t i = 0; i < buffers_.size(); ++i) {
    if (buffers_[i].kind != Kind::Activation) continue;
    auto flow = flowOf(i);
    if (!flow) continue;
    ElementType type = mayArriveAs(flow->to[0]->op);
    auto from = type == ElementType::F32 ? std::nullopt : handingOn(flow->from->op, type);
    if (!from) continue;
    flow->from->op = *from;
    flow->from->operands.back().type = type;
    for (PlanStep* step : flow->to) {
      step->op = arrivingAs(std::move(step->op), type);
      step->operands[0].type = type;
    }
  }
}

}  // namespace quern
