// tuner/check/KernelCheck.h — is a kernel right? Against the double reference, flush against unmapped pages, on plain and on
// special values, at odd sizes. The tuner asks before it times; `quern verify` and the tests ask the same.
#pragma once

#include "compiler/reference/Reference.h"
#include "compiler/schedule/Schedule.h"
#include "compiler/store/KernelCall.h"
#include "tuner/check/GuardedArray.h"
#include "tuner/check/WeightInputs.h"

#include <string>
#include <vector>

namespace quern {

/// Operands of one run of an op with all dimensions known, dense, each `offset` elements from an unmapped page.
struct CheckInputs {
  OpDesc op;
  std::vector<GuardedArray> arrays;
  std::vector<TensorData> tensors;
};
/// Once `stop` is asked the rest stays zero.
CheckInputs makeInputs(const OpDesc& fixedOp, InputData data, uint64_t seed, Flush flush = Flush::End, int64_t offset = 0,
                       const Stop& stop = {});

/// What the operands of one run hold and how they lie.
struct CheckRun {
  InputData data = InputData::ZeroMean;
  uint64_t seed = 1;
  Flush flush = Flush::End;
  int64_t extraStride = 0;  ///< elements between rows (0: dense), for operands that take strides
  int64_t offset = 0;       ///< elements between an operand and the unmapped page: with Flush::Begin, 1 is 4 bytes past a cache line
};

/// Runs tasks on this thread, in pieces between which `stop` is asked: whoever asked throws the results away. For calls that are long.
TaskRunner inPieces(const Stop& stop);

/// Runs the kernel once on these inputs, which it leaves as they are.
/// Errors   BadInput: dimensions that are too large. Internal: the kernel wrote between the rows of its output. Stopped.
Result<std::vector<float>> runKernel(const KernelSet& kernel, const CheckInputs& inputs, const DimValues& dims, const CheckRun& run,
                                     const TaskRunner* runner = nullptr, const Stop& stop = {});

/// What checks of large ops keep to: about a third of a second for each reference.
ReferenceScope affordableReference(const Stop& stop);

/// As runKernel, with what is right beside it, as far as `scope` goes.
struct RunResult {
  std::vector<float> output;
  ReferenceResult expected;
};
Result<RunResult> runOnce(const KernelSet& kernel, const CheckInputs& inputs, const DimValues& dims, const CheckRun& run,
                          const TaskRunner* runner = nullptr, const ReferenceScope& scope = {});
/// On fresh inputs. `op`: the op it was built from, its run-time dimensions bound to `dims`.
Result<RunResult> runOnce(const KernelSet& kernel, const OpDesc& op, const DimValues& dims, const CheckRun& run,
                          const TaskRunner* runner = nullptr, const ReferenceScope& scope = {});

/// What was found over all cases of one kernel.
struct CheckReport {
  int64_t cases = 0;
  double worst = 0;  ///< largest error over limit
  bool passed = true;
  std::string failure;          ///< the first failing case: op, data, element, values
  std::vector<InputData> data;  ///< kinds that were compared, each once
  void add(const CheckReport& other);
};

/// All data kinds, both flush sides, padded rows, on one set of dimensions; of large ops samples (affordableReference).
/// Errors   Stopped.
Result<CheckReport> checkKernel(const KernelSet& kernel, const OpDesc& op, const DimValues& dims, uint64_t seed, const Stop& stop = {});

/// Sizes around zero, one, a vector and a tile for each run-time dimension, `count` combinations drawn by `seed`.
std::vector<DimValues> edgeSizes(const OpDesc& op, const Schedule& schedule, int count, uint64_t seed);

/// "m=33: 5 runs": where a kernel was compared, for its certificate.
std::string certifiedText(const OpDesc& op, const DimValues& dims, int64_t runs);
/// "; zero-mean unit": on what data, behind one such text or several with ", " between.
std::string certifiedData(const CheckReport& report);
/// Where a certificate (Certificate::of) says that it was: of several such texts those with a value for each dimension. What it cannot read
/// is left out.
std::vector<DimValues> certifiedSizes(const OpDesc& op, std::string_view of);

/// Compares one run with its reference.
CheckReport judge(const OpDesc& fixedOp, const RunResult& run, InputData data);

}  // namespace quern
