// compiler/store/KernelSet.cpp — see KernelSet.h.
#include "compiler/store/KernelSet.h"

namespace quern {

const KernelRef& KernelSet::forDims(std::span<const int64_t> dims) const {
  for (const RowKernel& few : narrow)
    if (dims[rowDim] <= few.rows) return few.kernel;
  return wide;
}

const PackLayout* KernelSet::packing() const {
  for (const KernelBuffer& buffer : info().buffers)
    if (buffer.use == BufferUse::Weight) return &buffer.pack;
  return nullptr;
}

}  // namespace quern
