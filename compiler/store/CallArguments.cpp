// compiler/store/CallArguments.cpp — see CallArguments.h.
#include "compiler/store/CallArguments.h"

#include "compiler/base/Check.h"
#include "compiler/store/WeightPacking.h"

#include <algorithm>

namespace quern {

std::optional<size_t> accumulatedInput(const KernelInfo& info) {
  for (size_t i = 0; i < info.buffers.size(); ++i)
    if (info.buffers[i].use == BufferUse::InOut) return i;
  return std::nullopt;
}

/// Nothing lies there yet.
static Operand unbound(const TensorSpec& spec) { return {nullptr, denseStrides(spec.extents()), bytesOf(spec.type, spec.elements())}; }

CallArguments::CallArguments(const OpDesc& op, DimValues dims) : dims_(std::move(dims)), output_(unbound(outputOf(op))) {
  for (const TensorSpec& spec : inputsOf(op)) inputs_.push_back(unbound(spec));
}

static void placeAt(Operand& operand, const void* data, std::vector<int64_t> strides) {
  operand.data = data;
  if (strides.empty()) return;
  operand.strides = std::move(strides);
  operand.bytes = 0;  // not dense: the caller knows
}

void CallArguments::input(size_t index, const void* data, std::vector<int64_t> strides) {
  placeAt(inputs_[index], data, std::move(strides));
}
void CallArguments::output(void* data, std::vector<int64_t> strides) { placeAt(output_, data, std::move(strides)); }

Result<const void*> CallArguments::packed(size_t input, const PackLayout& layout, const Stop& stop) {
  for (const Packed& known : packed_)
    if (known.input == input && known.layout == layout) return known.data;
  void* data = nullptr;
  if (memory_) {
    data = memory_(layout.bytes());
  } else {
    own_.push_back(std::make_shared<std::byte[]>(static_cast<size_t>(std::max<int64_t>(1, layout.bytes()))));
    data = own_.back().get();
  }
  if (!packWeight(layout, inputs_[input].data, data, stop)) return stoppedError("packing a weight");
  packed_.push_back({input, layout, data});
  return data;
}

Result<std::vector<Operand>> CallArguments::operandsOf(const KernelInfo& info, const Stop& stop) {
  std::vector<Operand> operands;
  for (size_t i = 0; i < info.buffers.size(); ++i) {
    const KernelBuffer& buffer = info.buffers[i];
    QUERN_CHECK_FOR(i < inputs_.size() || buffer.use == BufferUse::Out, info.op);
    if (buffer.use == BufferUse::Out || (buffer.use == BufferUse::InOut && output_.data != nullptr)) {
      operands.push_back(output_);
    } else if (buffer.use == BufferUse::Weight) {
      auto data = packed(i, buffer.pack, stop);
      if (!data) return data.error();
      operands.push_back({*data, {}, buffer.pack.bytes()});
    } else {
      operands.push_back(inputs_[i]);
    }
  }
  return operands;
}

std::vector<int64_t> CallArguments::dimsOf(const KernelInfo& info) const {
  std::vector<int64_t> values;
  for (const std::string& name : info.dims) values.push_back(dims_.at(name));
  return values;
}

Result<KernelCall> CallArguments::call(const KernelSet& kernels, int threads, const Stop& stop) {
  std::vector<int64_t> dims = dimsOf(kernels.info());
  auto operands = operandsOf(kernels.info(), stop);
  if (!operands) return operands.error();
  return KernelCall::make(kernels, dims, *operands, threads);
}

}  // namespace quern
