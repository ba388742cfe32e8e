// tuner/Contest.cpp — see Contest.h.
#include "tuner/Contest.h"

#include "compiler/store/WeightPacking.h"

#include <cmath>
#include <cstring>
#include <fmt/format.h>

namespace quern {

TimingOperands::TimingOperands(const OpDesc& fixedOp, const Stop& stop)
    : op_(fixedOp),
      stop_(stop),
      inputs_(makeInputs(fixedOp, InputData::ZeroMean, 1, Flush::Begin, 0, stop)),
      out_(static_cast<size_t>(outputOf(fixedOp).elements()) * 4, Flush::Begin) {}

Result<KernelCall> TimingOperands::bind(const KernelRef& kernel, const DimValues& dims, int threads) {
  std::vector<Operand> operands;
  for (size_t i = 0; i < kernel->info.buffers.size(); ++i) {
    const KernelBuffer& buffer = kernel->info.buffers[i];
    if (i >= inputs_.tensors.size()) {
      operands.push_back({out_.data(), denseStrides(outputOf(op_).extents())});
      continue;
    }
    const TensorData& input = inputs_.tensors[i];
    if (buffer.use != BufferUse::Weight) {
      operands.push_back({input.data, denseStrides(input.shape)});
      continue;
    }
    const GuardedArray* packed = nullptr;
    for (const auto& [layout, data] : packed_)
      if (layout == buffer.pack) packed = &data;
    if (packed == nullptr) {
      GuardedArray fresh(static_cast<size_t>(buffer.pack.bytes()), Flush::Begin);
      if (!packWeight(buffer.pack, input.data, fresh.data(), stop_)) return stoppedError(kernel->info.op);
      packed = &packed_.emplace_back(buffer.pack, std::move(fresh)).second;
    }
    operands.push_back({packed->data(), {}});
  }
  std::vector<int64_t> values;
  for (const std::string& name : kernel->info.dims) values.push_back(dims.at(name));
  return KernelCall::make(kernel, values, operands, threads);
}

float* TimingOperands::result() const {
  const auto* matmul = std::get_if<MatmulOp>(&op_);
  constexpr size_t kC = 2;  // after A and B
  return matmul != nullptr && matmul->acc ? inputs_.arrays[kC].f32() : out_.f32();
}

/// Ordinary data flush with the end of a page, hard data flush with the beginning and in padded rows.
static const CheckRun kRuns[] = {{InputData::ZeroMean, 11, Flush::End, 0}, {InputData::Specials, 12, Flush::Begin, 7}};

Result<BitReference> BitReference::make(const KernelRef& kernel, const OpDesc& op, const DimValues& dims, const Stop& stop) {
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

Result<std::string> BitReference::differs(const KernelRef& kernel, const Stop& stop) const {
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
