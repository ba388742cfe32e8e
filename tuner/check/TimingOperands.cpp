// tuner/check/TimingOperands.cpp — see TimingOperands.h.
#include "tuner/check/TimingOperands.h"

namespace quern {

TimingOperands::TimingOperands(const OpDesc& op, const DimValues& dims, const Stop& stop)
    : stop_(stop),
      inputs_(makeInputs(fixed(op, dims), InputData::ZeroMean, 1, Flush::Begin, 0, stop)),
      arguments_(inputs_.op, dims),
      out_(static_cast<size_t>(outputOf(inputs_.op).elements()) * 4, Flush::Begin),
      result_(out_.f32()) {
  for (size_t i = 0; i < inputs_.tensors.size(); ++i) arguments_.input(i, inputs_.tensors[i].data);
  const auto* matmul = std::get_if<MatmulOp>(&inputs_.op);
  constexpr size_t kC = 2;  // after A and B
  if (matmul != nullptr && matmul->acc) result_ = inputs_.arrays[kC].f32();
  else arguments_.output(out_.data());
  arguments_.packInto([this](int64_t bytes) { return packed_.emplace_back(static_cast<size_t>(bytes), Flush::Begin).data(); });
}

Result<KernelCall> TimingOperands::bind(const KernelSet& kernels, int threads) { return arguments_.call(kernels, threads, stop_); }

}  // namespace quern
