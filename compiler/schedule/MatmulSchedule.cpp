// compiler/schedule/MatmulSchedule.cpp — see MatmulSchedule.h.
#include "compiler/schedule/MatmulSchedule.h"

#include "compiler/base/Checked.h"
#include "compiler/base/Text.h"
#include "compiler/schedule/ScheduleCheck.h"

#include <algorithm>
#include <fmt/format.h>

namespace quern {

const std::vector<ScheduleField<MatmulSchedule>>& MatmulSchedule::fields() {
  static const std::vector<ScheduleField<MatmulSchedule>> all = {
      {"mr", &MatmulSchedule::mr, "rows of the register tile", {}},
      {"nr", &MatmulSchedule::nr, "columns of the register tile and of a packed panel of B; a multiple of lanes", {}},
      {"mc", &MatmulSchedule::mc, "rows of one task; a multiple of mr", {}},
      {"kc", &MatmulSchedule::kc, "depth of one pass; the accumulators go through C between passes", {}},
      {"nc", &MatmulSchedule::nc, "columns of one task; a multiple of nr", {}},
      {"lanes", &MatmulSchedule::lanes, "f32 elements of one vector", {}},
      {"unroll_k", &MatmulSchedule::unrollK, "steps of k written out in the innermost loop", {}},
      {"pack", &MatmulSchedule::pack, "b: B in panels of nr columns, a weight once, another operand in a phase of its own", {"none", "b"}},
      {"prefetch", &MatmulSchedule::prefetch, "steps of k that B is prefetched ahead; 0: not", {}},
      {"tail", &MatmulSchedule::tail, "how the last columns are kept in bounds", {"mask"}},
      {"order", &MatmulSchedule::order, "numeric: one chain of fma per output over ascending k", {"seq"}},
  };
  return all;
}

static bool mustPack(const MatmulOp& op) { return op.constB || op.tb; }

MatmulSchedule MatmulSchedule::byDefault(const MatmulOp& op, const Target& target) {
  const IsaLevel& isa = target.isa();
  MatmulSchedule s;
  s.lanes = target.vectorLanes();
  // 32 registers: 8 x 3 = 24 accumulators + 3 of B + 1 of A; 16 registers: 6 x 2 = 12 + 2 + 1 (+ 1 without fma).
  int64_t rows = isa.vectorRegisters == 32 ? 8 : isa.fma ? 6 : 4;
  int64_t vectors = isa.vectorRegisters == 32 ? 3 : 2;
  int64_t m = op.m.any() ? 256 : op.m.value, n = op.n.any() ? 256 : op.n.value, k = op.k.any() ? 256 : op.k.value;
  s.mr = std::clamp<int64_t>(m, 1, rows);
  vectors = std::clamp<int64_t>(ceilDiv(std::max<int64_t>(n, 1), s.lanes), 1, vectors);
  s.nr = vectors * s.lanes;
  s.unrollK = isa.vectorRegisters == 32 ? 4 : 2;
  s.kc = k <= 768 ? std::max<int64_t>(k, 1) : 512;
  s.mc = roundUp(std::clamp<int64_t>(m, 1, 64), s.mr);
  s.nc = roundUp(std::clamp<int64_t>(n, 1, m <= 16 ? 128 : 384), s.nr);
  bool pays = m >= 48 && n >= 96;  // packing moves n * k elements; each is then used m / mr times
  s.pack = mustPack(op) || pays ? PackB : PackNone;
  return s;
}

void MatmulSchedule::complete(const std::vector<std::string>& given) {
  auto isGiven = [&](std::string_view key) { return std::find(given.begin(), given.end(), key) != given.end(); };
  if (!isGiven("nr") && lanes > 0) nr = std::max(lanes, nr / lanes * lanes);
  if (!isGiven("mc") && mr > 0) mc = roundUp(mc, mr);
  if (!isGiven("nc") && nr > 0) nc = roundUp(nc, nr);
}

Result<void> MatmulSchedule::validate(const MatmulOp& op, const Target& target) const {
  const IsaLevel& isa = target.isa();
  ScheduleCheck check("matmul", target);
  check.lanes(lanes);
  check.range("mr", mr, 1, 32);
  check.multiple("nr", nr, "lanes", lanes, 1, 16 * lanes);
  check.multiple("mc", mc, "mr", mr, 1, int64_t{1} << 30);
  check.multiple("nc", nc, "nr", nr, 1, int64_t{1} << 30);
  check.range("kc", kc, 1, int64_t{1} << 30);
  check.range("unroll_k", unrollK, 1, 16);
  check.range("prefetch", prefetch, 0, 4096);
  int64_t vectors = lanes > 0 ? nr / lanes : 0;
  int64_t registers = mr * vectors + vectors + 1 + (isa.fma ? 0 : 1);
  if (registers > isa.vectorRegisters)
    check.fail(fmt::format("mr={} nr={} needs {} vector registers, {} has {}; with nr={} mr is at most {}", mr, nr, registers, target.name, isa.vectorRegisters, nr,
                           std::max<int64_t>(0, (isa.vectorRegisters - vectors - 1 - (isa.fma ? 0 : 1)) / std::max<int64_t>(1, vectors))));
  if (mustPack(op) && pack != PackB) check.fail("pack=none, but a weight or a B stored [n,k] is read in panels; legal: pack=b");
  return check.finish();
}

}  // namespace quern
