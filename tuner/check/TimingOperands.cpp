// tuner/check/TimingOperands.cpp — see TimingOperands.h.
#include "tuner/check/TimingOperands.h"

#include <algorithm>
#include <cstring>

namespace quern {

TimingOperands::TimingOperands(const OpDesc& op, const DimValues& dims, const Stop& stop, int64_t coldBytes)
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
  int64_t weightBytes = 0;
  for (const TensorSpec& spec : inputsOf(inputs_.op))
    if (spec.weight) weightBytes += bytesOf(spec.type, spec.elements());
  constexpr int64_t kMostSets = 4096;
  if (weightBytes > 0) sets_ = static_cast<size_t>(std::clamp<int64_t>((coldBytes + weightBytes - 1) / weightBytes, 1, kMostSets));
}

Result<KernelCall> TimingOperands::bind(const KernelSet& kernels, int threads) { return arguments_.call(kernels, threads, stop_); }

/// The weight of set `which`, from 1.
const void* TimingOperands::copyOf(const void* weight, int64_t bytes, size_t which) {
  std::vector<GuardedArray>& copies = copies_[weight];
  while (copies.size() < which)
    std::memcpy(copies.emplace_back(static_cast<size_t>(bytes), Flush::Begin).data(), weight, static_cast<size_t>(bytes));
  return copies[which - 1].data();
}

Result<std::vector<KernelCall>> TimingOperands::bindAll(const KernelSet& kernels, int threads) {
  const KernelInfo& info = kernels.info();
  auto operands = arguments_.operandsOf(info, stop_);
  if (!operands) return operands.error();
  std::vector<int64_t> dims = arguments_.dimsOf(info);
  std::vector<TensorSpec> specs = inputsOf(inputs_.op);
  std::vector<KernelCall> calls;
  for (size_t set = 0; set < sets_; ++set) {
    std::vector<Operand> own = *operands;
    for (size_t i = 0; set > 0 && i < own.size(); ++i)
      if (i < specs.size() && specs[i].weight) own[i].data = copyOf(own[i].data, own[i].bytes, set);
    auto call = KernelCall::make(kernels, dims, own, threads);
    if (!call) return call.error();
    calls.push_back(std::move(*call));
  }
  return calls;
}

}  // namespace quern
