// tests/numeric/Interpreted.cpp — see Interpreted.h.
#include "tests/numeric/Interpreted.h"

#include "compiler/loops/LoopInterpreter.h"
#include "compiler/store/WeightPacking.h"
#include "tests/Support.h"

#include <cstring>

namespace quern {

std::vector<float> interpreted(const LoopProgram& program, const KernelInfo& info, const OpDesc& bound, const DimValues& dims,
                               const CheckRun& run, uint32_t fill) {
  CheckInputs inputs = makeInputs(bound, run.data, run.seed);
  std::vector<std::vector<std::byte>> owned;
  owned.reserve(8);
  LoopArgs args;
  std::vector<int64_t> outShape = outputOf(bound).extents();
  std::vector<uint32_t> filled(static_cast<size_t>(outputOf(bound).elements()), fill);
  std::vector<float> out(filled.size());
  std::memcpy(out.data(), filled.data(), 4 * filled.size());  // no conversion: it would quieten a NaN
  for (size_t i = 0; i < info.buffers.size(); ++i) {
    const KernelBuffer& buffer = info.buffers[i];
    std::vector<int64_t> shape = i < inputs.tensors.size() ? inputs.tensors[i].shape : outShape;
    if (buffer.use == BufferUse::Out) args.buffers.push_back(out.data());
    else if (buffer.use == BufferUse::InOut) {
      std::copy_n(inputs.tensors[i].f32(), out.size(), out.data());
      args.buffers.push_back(out.data());
    } else if (buffer.use == BufferUse::Weight) {
      std::vector<std::byte>& packed = owned.emplace_back(static_cast<size_t>(buffer.pack.bytes()));
      packWeight(buffer.pack, inputs.tensors[i].data, packed.data());
      args.buffers.push_back(packed.data());
    } else args.buffers.push_back(inputs.arrays[i].data());
    std::vector<int64_t> strides = denseStrides(shape);
    args.strides.insert(args.strides.end(), strides.begin(), strides.begin() + buffer.strides);
  }
  for (const std::string& name : info.dims) args.dims.push_back(dims.at(name));
  auto good = interpret(program, args);
  INFO((good ? "" : good.error().message));
  REQUIRE(good);
  return out;
}

}  // namespace quern
