// compiler/store/KernelSet.cpp — see KernelSet.h.
#include "compiler/store/KernelSet.h"

#include <algorithm>

namespace quern {

const KernelRef& KernelSet::forDims(std::span<const int64_t> dims) const {
  int64_t rows = rowDim == kNoDim ? 0 : dims[rowDim], keys = keyDim == kNoDim ? 0 : dims[keyDim];
  for (const SizedKernel& small : sized)
    if (small.most.covers(rows, keys)) return small.kernel;
  return wide;
}

void KernelSet::goBy(const SizeDims& names) {
  const std::vector<std::string>& dims = info().dims;
  auto place = [&](const std::string& name) {
    auto found = std::find(dims.begin(), dims.end(), name);
    return found == dims.end() ? kNoDim : static_cast<size_t>(found - dims.begin());
  };
  rowDim = place(names.rows), keyDim = place(names.keys);
}

const PackLayout* KernelSet::packing() const {
  for (const KernelBuffer& buffer : info().buffers)
    if (buffer.use == BufferUse::Weight) return &buffer.pack;
  return nullptr;
}

}  // namespace quern
