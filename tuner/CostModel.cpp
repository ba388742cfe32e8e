// tuner/CostModel.cpp — see CostModel.h.
#include "tuner/CostModel.h"

#include "compiler/base/Checked.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>

namespace quern {

/// Cycles per element moved, by where it comes from: rough figures of current server cores.
static double cyclesPerVector(double bytes, const Target& target) {
  return bytes <= 0.75 * static_cast<double>(target.l1Bytes)   ? 0.5
         : bytes <= 0.75 * static_cast<double>(target.l2Bytes) ? 1.2
         : bytes <= static_cast<double>(target.l3Bytes)        ? 4
                                                               : 12;
}

static double matmulCost(const MatmulSchedule& s, const MatmulOp& op, const Target& target) {
  double m = static_cast<double>(op.m.value), k = static_cast<double>(op.k.value);
  double vectors = static_cast<double>(s.nr / s.lanes), rows = static_cast<double>(std::min(s.mr, std::max<int64_t>(1, op.m.value)));
  double n = static_cast<double>(roundUp(std::max<int64_t>(1, op.n.value), s.lanes));
  double depth = std::min(static_cast<double>(s.kc), std::max(1.0, k));
  double panelBytes = 4 * depth * static_cast<double>(s.nr);
  double loadVectors = vectors * std::max(1.0, 2 * cyclesPerVector(panelBytes + 4 * depth * rows, target));
  // Per k and tile: fma slots, load slots (a broadcast is a load), and the latency of a chain (4 cycles).
  double perStep = std::max({rows * vectors / 2, (loadVectors + rows) / 2, 4.0}) + 0.5 / static_cast<double>(s.unrollK);
  if (!target.isa().fma) perStep *= 2;
  double tilesN = std::ceil(n / static_cast<double>(s.nr)), fullM = std::floor(m / rows), leftM = m - fullM * rows;
  double tiles = tilesN * (fullM + (leftM > 0 ? std::max(leftM / rows, 8 / (rows * vectors)) : 0));
  double cost = tiles * k * perStep;
  double passes = std::max(1.0, std::ceil(k / depth));
  cost += (2 * passes - 1) * m * n / static_cast<double>(s.lanes) * 1.5;
  double blockBytes = 4 * static_cast<double>(s.mc) * depth;
  if (blockBytes > 0.75 * static_cast<double>(target.l2Bytes)) cost *= 1.15;
  bool packsNow = s.packsB() && !op.constB;
  if (packsNow) cost += n * k / static_cast<double>(op.tb ? 1 : s.lanes) * 2;
  // Unpacked rows of B lie a page or more apart: translation misses grow with the depth of a pass.
  if (!s.packsB() && n * 4 >= 2048) cost *= 1.1 + depth / 4096;
  double tasks = std::ceil(m / static_cast<double>(s.mc)) * std::ceil(n / static_cast<double>(s.nc));
  return (cost + 60 * tasks) * static_cast<double>(op.batch.value);
}

double predictedCost(const Schedule& schedule, const OpDesc& op, const Target& target) {
  if (const auto* matmul = std::get_if<MatmulSchedule>(&schedule)) return matmulCost(*matmul, std::get<MatmulOp>(op), target);
  // The others stream: wider vectors are better, more of them a little, and a task should be worth handing out.
  double lanes = 1, unroll = 1;
  for (const ScheduleKeyInfo& key : keysOf(schedule)) {
    if (key.key == "lanes") lanes = std::stod(key.value);
    if (key.key == "unroll") unroll = std::stod(key.value);
  }
  return 1 / lanes + 0.01 * std::fabs(std::log2(unroll) - 1);
}

bool mayBecomeLegal(const Schedule& schedule, std::string_view key, const OpDesc&, const Target& target) {
  const auto* s = std::get_if<MatmulSchedule>(&schedule);
  if (s == nullptr) return true;
  if (s->lanes < 1 || s->nr < 1 || s->mr < 1) return false;
  if (key == "lanes") return s->lanes == target.vectorLanes();
  if (key == "nr") return s->nr % s->lanes == 0;
  if (key == "mr")
    return s->mr <= target.isa().vectorRegisters && s->mr * (s->nr / s->lanes) + s->nr / s->lanes + 1 <= target.isa().vectorRegisters;
  return true;
}

static int64_t tasksOf(const MatmulSchedule& s, const MatmulOp& op) {
  return op.batch.value * ceilDiv(op.m.value, s.mc) * ceilDiv(op.n.value, s.nc);
}

bool enoughTasks(const Schedule& schedule, const Schedule& base, const OpDesc& op) {
  constexpr int64_t kEnough = 8;
  const auto* s = std::get_if<MatmulSchedule>(&schedule);
  if (s == nullptr) return true;
  const auto& matmul = std::get<MatmulOp>(op);
  return tasksOf(*s, matmul) >= std::min(kEnough, tasksOf(std::get<MatmulSchedule>(base), matmul));
}

std::string kindOf(const Schedule& schedule) {
  const auto* s = std::get_if<MatmulSchedule>(&schedule);
  return s == nullptr ? text(schedule) : fmt::format("{} {} {} {}", s->mr, s->nr, s->lanes, s->pack);
}

void fitToOp(Schedule& schedule, const OpDesc& op) {
  auto* s = std::get_if<MatmulSchedule>(&schedule);
  if (s == nullptr || std::min({s->lanes, s->mr, s->nr, s->mc, s->nc, s->kc}) < 1) return;  // validate says why not
  const auto& matmul = std::get<MatmulOp>(op);
  s->mr = std::min(s->mr, std::max<int64_t>(1, matmul.m.value));
  s->nr = std::min(s->nr, roundUp(std::max<int64_t>(1, matmul.n.value), s->lanes));
  s->kc = std::min(s->kc, std::max<int64_t>(1, matmul.k.value));
  s->mc = roundUp(std::min(s->mc, std::max<int64_t>(1, matmul.m.value)), s->mr);
  s->nc = roundUp(std::min(s->nc, std::max<int64_t>(1, matmul.n.value)), s->nr);
  if (matmul.constB || matmul.tb) s->pack |= MatmulSchedule::PackB;
}

}  // namespace quern
