// tests/numeric/Interpreted.h — a kernel's loop program run by the interpreter, on the inputs that checkKernel makes.
#pragma once

#include "compiler/loops/ir/LoopProgram.h"
#include "tuner/check/KernelCheck.h"

namespace quern {

inline constexpr uint32_t kMinusSeven = 0xC0E00000, kSignallingNan = 0x7FA00000;

/// The output, operands dense. Before the run its elements have the bits `fill`; arithmetic raises its flags, which native kernels hide.
std::vector<float> interpreted(const LoopProgram& program, const KernelInfo& info, const OpDesc& bound, const DimValues& dims,
                               const CheckRun& run, uint32_t fill = kMinusSeven);
/// The same on these.
std::vector<float> interpreted(const LoopProgram& program, const KernelInfo& info, const CheckInputs& inputs, const DimValues& dims,
                               uint32_t fill = kMinusSeven);

}  // namespace quern
