// compiler/store/CallArguments.h — an op's arrays as a kernel takes them: in its order, weights packed as it wants them.
#pragma once

#include "compiler/base/Stop.h"
#include "compiler/op/OpDesc.h"
#include "compiler/store/KernelCall.h"

#include <functional>

namespace quern {

/// The input that a kernel adds to and leaves its result in; none where it has an output apart.
std::optional<size_t> accumulatedInput(const KernelInfo& info);

/// The arrays of one op, for calls of any of its kernels. Arrays stay the caller's; packed copies are kept here, one a layout.
class CallArguments {
public:
  /// `op`: all dimensions known. `dims`: those that its kernels take at run time.
  CallArguments(const OpDesc& op, DimValues dims);

  /// Input `index` of inputsOf(op), its leading strides in elements (none: dense). A weight that is to be packed is dense.
  void input(size_t index, const void* data, std::vector<int64_t> strides = {});
  /// A weight that lies packed so already: it is not packed again.
  void packedInput(size_t index, const PackLayout& layout, void* data) { packed_.push_back({index, layout, data}); }
  /// Where the result goes. An op with acc=1 adds to what lies there; without an output it adds to the input C itself.
  void output(void* data, std::vector<int64_t> strides = {});
  /// Where packed weights are put, asked once a layout: zeros of so many bytes that live as long as this. Memory of its own otherwise.
  void packInto(std::function<void*(int64_t bytes)> memory) { memory_ = std::move(memory); }

  /// In the order of info.buffers. Errors: Stopped, while a weight was being packed.
  Result<std::vector<Operand>> operandsOf(const KernelInfo& info, const Stop& stop = {});
  /// In the order of info.dims.
  std::vector<int64_t> dimsOf(const KernelInfo& info) const;
  /// A call that up to `threads` threads may run. Errors: as operandsOf and KernelCall::make.
  Result<KernelCall> call(const KernelSet& kernels, int threads = 1, const Stop& stop = {});

private:
  struct Packed {
    size_t input;
    PackLayout layout;
    void* data;
  };
  Result<const void*> packed(size_t input, const PackLayout& layout, const Stop& stop);

  DimValues dims_;
  std::vector<Operand> inputs_;
  Operand output_;
  std::function<void*(int64_t bytes)> memory_;
  std::vector<std::shared_ptr<std::byte[]>> own_;
  std::vector<Packed> packed_;
};

}  // namespace quern
