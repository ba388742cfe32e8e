// tests/numeric/MatmulLadder.h — what the matmul tests share: the size ladder, drawn schedules, the exact oracle for whole
// numbers, and cases that say all of what they are when they fail.
#pragma once

#include "tests/numeric/KernelRuns.h"
#include "tuner/SearchSpace.h"

#include <random>

namespace quern {

/// How many cases a ladder runs: QUERN_TEST_CASES, else 500.
int64_t casesAsked();

/// Every m, n and k of the ladder; tile edges come on top.
inline constexpr int64_t kLadder[] = {0, 1, 2, 3, 5, 7, 8, 9, 13, 15, 16, 17, 31, 32, 33, 47, 63, 64, 65, 97, 127, 128, 129, 251, 509};

/// m, n, k (and batch) of cases: case i has ladder value (i / 3) % 25 in dimension i % 3, so that every value comes up in
/// every dimension; the other two are drawn, one in three a tile's edge, such that batch m n k stays below `maxWork`.
class SizeDraw {
public:
  SizeDraw(uint64_t seed, double maxWork) : random_(seed), maxWork_(maxWork) {}
  DimValues next(const Schedule& schedule);

private:
  int64_t drawn(const Schedule& schedule, size_t dim);

  std::mt19937_64 random_;
  double maxWork_;
  size_t cases_ = 0;
};

/// `count` different schedules: the default, then drawn ones, every second with small kc, mc and nc, so that a run has
/// several passes and many tasks. Fewer where there are no more. `sample`: the sizes that blocks are cut to.
std::vector<Schedule> drawSchedules(const SearchSpace& space, const OpDesc& op, const DimValues& sample, const Target& target, size_t count,
                                    std::mt19937_64& random);

/// The value of one key; "" where the schedule has none of that name.
std::string keyOf(const Schedule& schedule, std::string_view key);
/// `schedule` with one key changed; nothing where that is illegal.
std::optional<Schedule> changed(const Schedule& schedule, std::string_view key, const std::string& value, const OpDesc& op,
                                const Target& target);

/// Operand placement of case i: both flush sides, rows dense and 1 and 7 apart, addresses 0, 4 and 60 bytes past a line.
CheckRun placed(size_t i, InputData data, uint64_t seed);

/// C to the last bit, for whole numbers with sum|a||b| below 2^53, and an epilogue of bias, residual and relu.
std::vector<float> exactMatmul(const MatmulOp& op, std::span<const TensorData> inputs);

/// A compiled op and one run of it, as a failure tells it.
struct LadderKernel {
  OpDesc op;
  Schedule schedule;
  Target level;
  KernelSet kernel;
};
LadderKernel compiled(KernelLibrary& library, const OpDesc& op, const Schedule& schedule);
std::string text(const LadderKernel& kernel, const DimValues& dims, const CheckRun& run);

/// Runs once on whole numbers and compares with exactMatmul: "" or what differs.
std::string runExact(const LadderKernel& kernel, const DimValues& dims, const CheckRun& run);
/// Runs once and compares with the reference: "" or what is out of its limit; `worst` takes the largest error/limit.
std::string runWithinLimits(const LadderKernel& kernel, const DimValues& dims, const CheckRun& run, double& worst);

}  // namespace quern
