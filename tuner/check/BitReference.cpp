// tuner/check/BitReference.cpp — see BitReference.h.
#include "tuner/check/BitReference.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fmt/format.h>

namespace quern {

/// Ordinary data flush with the end of a page, hard data flush with the beginning and in padded rows.
static const CheckRun kRuns[] = {{InputData::ZeroMean, 11, Flush::End, 0}, {InputData::Specials, 12, Flush::Begin, 7}};

Result<BitReference> BitReference::make(const KernelSet& kernel, const OpDesc& op, const DimValues& dims, const Stop& stop) {
  BitReference made;
  made.dims_ = dims;
  for (const CheckRun& run : kRuns) {
    const CheckInputs& inputs = made.inputs_.emplace_back(makeInputs(fixed(op, dims), run.data, run.seed, run.flush, 0, stop));
    auto result = runOnce(kernel, inputs, dims, run, nullptr, affordableReference(stop));
    if (!result) return result.error();
    CheckReport report = judge(inputs.op, *result, run.data);
    if (!report.passed) return internalError(fmt::format("the default schedule is wrong: {}", report.failure));
    made.certificate_.cases += report.cases;
    made.certificate_.worstOverLimit = std::max(made.certificate_.worstOverLimit, report.worst);
    made.outputs_.push_back(std::move(result->output));
  }
  made.certificate_.of = certifiedText(op, dims, made.certificate_.cases);
  return made;
}

Result<std::string> BitReference::differs(const KernelSet& kernel, const Stop& stop) const {
  for (size_t r = 0; r < std::size(kRuns); ++r) {
    auto result = runKernel(kernel, inputs_[r], dims_, kRuns[r], nullptr, stop);
    if (!result) return result.error();
    for (size_t i = 0; i < result->size(); ++i) {
      float expected = outputs_[r][i], got = (*result)[i];
      bool same = std::memcmp(&expected, &got, 4) == 0 || (std::isnan(expected) && std::isnan(got));
      if (!same) return fmt::format("{} data: element {} is {}, the default's is {}", text(kRuns[r].data), i, got, expected);
    }
  }
  return std::string();
}

}  // namespace quern
