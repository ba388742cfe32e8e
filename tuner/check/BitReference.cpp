// tuner/check/BitReference.cpp — see BitReference.h.
#include "tuner/check/BitReference.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fmt/format.h>

namespace quern {

/// Before: ordinary data flush with the end of a page, hard data flush with the beginning and in padded rows. After: other data, where
/// each operand begins one element past the page and rows are closer.
static const CheckRun kRuns[][2] = {
    {{InputData::ZeroMean, 11, Flush::End, 0}, {InputData::Specials, 12, Flush::Begin, 7}},
    {{InputData::Unit, 1013, Flush::Begin, 3, 1}, {InputData::Specials, 1014, Flush::End, 1}},
};

static const CheckRun& runOf(BitRuns which, size_t r) { return kRuns[static_cast<size_t>(which)][r]; }

Result<BitReference> BitReference::make(const KernelSet& kernel, const OpDesc& op, const DimValues& dims, const Stop& stop, BitRuns which) {
  BitReference made;
  made.which_ = which;
  made.dims_ = dims;
  CheckReport all;
  for (size_t r = 0; r < runs(); ++r) {
    const CheckRun& run = runOf(which, r);
    const CheckInputs& inputs = made.inputs_.emplace_back(makeInputs(fixed(op, dims), run.data, run.seed, run.flush, run.offset, stop));
    for (const GuardedArray& array : inputs.arrays) array.makeReadOnly();
    auto result = runOnce(kernel, inputs, dims, run, nullptr, affordableReference(stop));
    if (!result) return result.error();
    CheckReport report = judge(inputs.op, *result, run.data);
    if (!report.passed) return internalError(fmt::format("the default schedule is wrong: {}", report.failure));
    all.add(report);
    made.outputs_.push_back(std::move(result->output));
  }
  made.certificate_.cases = all.cases, made.certificate_.worstOverLimit = all.worst;
  made.certificate_.of = certifiedText(op, dims, all.cases) + certifiedData(all);
  return made;
}

Result<std::vector<float>> BitReference::output(const KernelSet& kernel, size_t r, const Stop& stop) const {
  return runKernel(kernel, inputs_[r], dims_, runOf(which_, r), nullptr, stop);
}

std::string BitReference::compare(size_t r, std::span<const float> output) const {
  for (size_t i = 0; i < output.size(); ++i) {
    float expected = outputs_[r][i], got = output[i];
    bool same = std::memcmp(&expected, &got, 4) == 0 || (std::isnan(expected) && std::isnan(got));
    if (!same) return fmt::format("{} data: element {} is {}, the default's is {}", text(runOf(which_, r).data), i, got, expected);
  }
  return "";
}

Result<std::string> BitReference::differs(const KernelSet& kernel, const Stop& stop) const {
  for (size_t r = 0; r < runs(); ++r) {
    auto result = output(kernel, r, stop);
    if (!result) return result.error();
    if (std::string wrong = compare(r, *result); !wrong.empty()) return wrong;
  }
  return std::string();
}

}  // namespace quern
