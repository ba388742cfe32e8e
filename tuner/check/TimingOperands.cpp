// tuner/check/TimingOperands.cpp — see TimingOperands.h.
#include "tuner/check/TimingOperands.h"

#include <algorithm>
#include <cstring>

namespace quern {

TimingOperands::TimingOperands(const OpDesc& op, const DimValues& dims, const Stop& stop, int64_t coldBytes)
    : stop_(stop),
      coldBytes_(coldBytes),
      inputs_(makeInputs(fixed(op, dims), InputData::ZeroMean, 1, Flush::Begin, 0, stop)),
      arguments_(inputs_.op, dims),
      out_(static_cast<size_t>(outputOf(inputs_.op).elements()) * 4, Flush::Begin),
      result_(out_.f32()) {
  bindArguments(arguments_);
  int64_t weightBytes = 0;
  for (const TensorSpec& spec : inputsOf(inputs_.op))
    if (spec.weight) weightBytes += bytesOf(spec.type, spec.elements());
  constexpr int64_t kMostCopies = 4096;
  int64_t copies =
      weightBytes == 0 || coldBytes == 0 ? 1 : std::clamp<int64_t>((coldBytes + weightBytes - 1) / weightBytes, 1, kMostCopies);
  for (int64_t i = 1; i < copies; ++i) others_.push_back(std::make_unique<CallArguments>(inputs_.op, dims));
}

void TimingOperands::bindArguments(CallArguments& arguments) {
  for (size_t i = 0; i < inputs_.tensors.size(); ++i) arguments.input(i, inputs_.tensors[i].data);
  const auto* matmul = std::get_if<MatmulOp>(&inputs_.op);
  constexpr size_t kC = 2;  // after A and B
  if (matmul != nullptr && matmul->acc) result_ = inputs_.arrays[kC].f32();
  else arguments.output(out_.data());
  arguments.packInto([this](int64_t bytes) { return packed_.emplace_back(static_cast<size_t>(bytes), Flush::Begin).data(); });
}

/// Each of the others has weights of its own.
void TimingOperands::copyWeights() {
  if (!copies_.empty()) return;
  std::vector<TensorSpec> specs = inputsOf(inputs_.op);
  for (auto& arguments : others_) {
    bindArguments(*arguments);
    for (size_t i = 0; i < specs.size(); ++i) {
      if (!specs[i].weight) continue;
      GuardedArray& copy = copies_.emplace_back(inputs_.arrays[i].bytes(), Flush::Begin);
      std::memcpy(copy.data(), inputs_.arrays[i].data(), copy.bytes());
      arguments->input(i, copy.data());
    }
  }
}

Result<KernelCall> TimingOperands::bind(const KernelSet& kernels, int threads) { return arguments_.call(kernels, threads, stop_); }

Result<std::vector<KernelCall>> TimingOperands::bindAll(const KernelSet& kernels, int threads) {
  copyWeights();
  std::vector<KernelCall> calls;
  auto first = bind(kernels, threads);
  if (!first) return first.error();
  calls.push_back(std::move(*first));
  for (auto& arguments : others_) {
    auto call = arguments->call(kernels, threads, stop_);
    if (!call) return call.error();
    calls.push_back(std::move(*call));
  }
  return calls;
}

}  // namespace quern
