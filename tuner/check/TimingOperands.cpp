// tuner/check/TimingOperands.cpp — see TimingOperands.h.
#include "tuner/check/TimingOperands.h"

#include <algorithm>
#include <cstring>

namespace quern {

TimingOperands::TimingOperands(const OpDesc& op, const DimValues& dims, const Stop& stop, int64_t coldBytes, std::vector<SizePoint> sizes)
    : op_(op),
      stop_(stop),
      inputs_(makeInputs(fixed(op, dims), InputData::ZeroMean, 1, Flush::Begin, 0, stop)),
      arguments_(inputs_.op, dims),
      out_(static_cast<size_t>(outputOf(inputs_.op).elements()) * 4, Flush::Begin),
      sizes_(std::move(sizes)),
      result_(out_.f32()) {
  if (sizes_.empty()) sizes_ = {{dims, 1}};
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

/// Calls of every size on these operands, which were bound for the largest: smaller arrays lie dense at their beginning.
Result<std::vector<KernelCall>> TimingOperands::roundOf(const KernelSet& kernels, const std::vector<Operand>& operands, int threads) const {
  std::vector<int> counts = callsOfRound(sizes_);
  std::vector<KernelCall> calls;
  for (size_t s = 0; s < sizes_.size(); ++s) {
    OpDesc bound = fixed(op_, sizes_[s].dims);
    std::vector<TensorSpec> specs = inputsOf(bound);
    specs.push_back(outputOf(bound));
    std::vector<Operand> own = operands;
    for (size_t i = 0; i < own.size(); ++i)
      if (!own[i].strides.empty())
        own[i].strides = denseStrides(specs[i].extents()), own[i].bytes = bytesOf(specs[i].type, specs[i].elements());
    std::vector<int64_t> dims;
    for (const std::string& name : kernels.info().dims) dims.push_back(sizes_[s].dims.at(name));
    for (int count = 0; count < counts[s]; ++count) {
      auto call = KernelCall::make(kernels, dims, own, threads);
      if (!call) return call.error();
      calls.push_back(std::move(*call));
    }
  }
  return calls;
}

Result<std::vector<std::vector<KernelCall>>> TimingOperands::bindAll(const KernelSet& kernels, int threads) {
  const KernelInfo& info = kernels.info();
  auto operands = arguments_.operandsOf(info, stop_);
  if (!operands) return operands.error();
  std::vector<TensorSpec> specs = inputsOf(inputs_.op);
  std::vector<std::vector<KernelCall>> calls;
  for (size_t set = 0; set < sets_; ++set) {
    std::vector<Operand> own = *operands;
    for (size_t i = 0; set > 0 && i < own.size(); ++i)
      if (i < specs.size() && specs[i].weight) own[i].data = copyOf(own[i].data, own[i].bytes, set);
    auto round = roundOf(kernels, own, threads);
    if (!round) return round.error();
    calls.push_back(std::move(*round));
  }
  return calls;
}

}  // namespace quern
