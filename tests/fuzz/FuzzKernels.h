// tests/fuzz/FuzzKernels.h — kernels that are described and never run: what loading a model asks them for.
#pragma once

#include "runtime/KernelProvider.h"

namespace quern {

/// Arrays are dense, and a weight lies in panels of eight columns.
inline Result<KernelSet> describedKernel(const OpDesc& op) {
  auto kernel = std::make_shared<CompiledKernel>();
  KernelInfo& info = kernel->info;
  info.op = text(op);
  info.dims = runtimeDims(op);
  for (const TensorSpec& each : inputsOf(op)) info.buffers.push_back({each.name, BufferUse::In, each.type, 0, {}});
  info.buffers.push_back({"out", BufferUse::Out, outputOf(op).type, 0, {}});
  if (const auto* matmul = std::get_if<MatmulOp>(&op)) {
    info.buffers[1].use = BufferUse::Weight;
    info.buffers[1].pack = {8, matmul->k.value, matmul->n.value, 1, matmul->tb, matmul->w, false};
  }
  return KernelSet(KernelRef(std::move(kernel)));
}

}  // namespace quern
