// tests/numeric/Interpreted.cpp — see Interpreted.h.
#include "tests/numeric/Interpreted.h"

#include "compiler/jit/LoopsKernel.h"
#include "compiler/op/BlockValues.h"
#include "tests/Support.h"

#include <algorithm>
#include <cstring>

namespace quern {

std::vector<float> interpreted(const LoopProgram& program, const KernelInfo& info, const OpDesc& bound, const DimValues& dims,
                               const CheckRun& run, uint32_t fill) {
  return interpreted(program, info, makeInputs(bound, run.data, run.seed), dims, fill);
}

std::vector<float> interpreted(const LoopProgram& program, const KernelInfo& info, const CheckInputs& inputs, const DimValues& dims,
                               uint32_t fill) {
  const OpDesc& bound = inputs.op;
  CallArguments arguments(bound, dims);
  for (size_t i = 0; i < inputs.tensors.size(); ++i) arguments.input(i, inputs.tensors[i].data);
  ElementType type = outputOf(bound).type;
  auto elements = static_cast<size_t>(outputOf(bound).elements());
  std::vector<uint32_t> filled(std::max(elements, (static_cast<size_t>(bytesOf(type, outputOf(bound).elements())) + 3) / 4), fill);
  std::vector<float> out(filled.size());
  std::memcpy(out.data(), filled.data(), 4 * filled.size());  // no conversion: it would quieten a NaN
  if (auto added = accumulatedInput(info)) std::copy_n(inputs.tensors[*added].f32(), elements, out.data());
  arguments.output(out.data());
  auto args = loopArgsOf(program, info, arguments);
  REQUIRE(args);
  auto good = interpret(program, *args);
  INFO((good ? "" : good.error().message));
  REQUIRE(good);
  if (type == ElementType::F32) return out;
  std::vector<float> values(elements);
  rowValues(type, reinterpret_cast<const std::byte*>(out.data()), static_cast<int64_t>(elements), values.data());
  return values;
}

}  // namespace quern
