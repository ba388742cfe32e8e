// tests/numeric/FloatKernels.h — kernels of [n] floats from the text of one expression: functions that no op offers, and wrong ones.
#pragma once

#include "compiler/jit/CodegenModule.h"
#include "compiler/loops/maths/ExpandMaths.h"
#include "compiler/loops/ir/LoopParser.h"
#include "compiler/loops/ir/LoopVerifier.h"
#include "compiler/loops/Lower.h"
#include "tests/Support.h"

#include <fmt/format.h>

namespace quern {

/// out[j] = `expression` of v = x[j], for n that are multiples of the lanes; maths calls are expanded as in an op's program.
/// Vector constants are spelled with @ for the lanes: decay(v), (exp(v) * 2fx@).
inline LoopProgram programOf(std::string expression, const Target& target) {
  std::string lanes = std::to_string(target.vectorLanes());
  for (size_t at = 0; (at = expression.find('@')) != std::string::npos;) expression.replace(at, 1, lanes);
  std::string given = fmt::format(
      "loops \"{0}\"\nisa {1}\ndim n\nbuffer x : f32 in [n] strides [1]\nbuffer out : f32 out [n] strides [1]\nphase task tasks 1 {{\n"
      "  for j = 0 to n step {2} {{\n    let v = x[j]:{2}\n    store out[j] = {0}\n  }}\n}}\n",
      expression, target.level, lanes);
  auto program = parseLoops(given, "test");
  INFO(given << (program ? "" : program.error().message));
  REQUIRE(program);
  LoopProgram expanded = expandMaths(std::move(*program), target.isa().fma, target.isa().tableLookup);
  REQUIRE(verifyLoops(expanded));
  return expanded;
}

inline JitCode compiled(const LoopProgram& program) {
  auto api = codegenModule();
  REQUIRE(api);
  auto object = (*api)->emitObject(program, kKernelSymbol);
  REQUIRE(object);
  auto code = (*api)->linkObject(*object, kKernelSymbol);
  REQUIRE(code);
  return *code;
}

inline KernelSet floatKernel(const std::string& expression, const Target& target) {
  LoopProgram program = programOf(expression, target);
  JitCode code = compiled(program);
  OpDesc like = op("exp x=*");
  KernelInfo info = kernelInfoOf(program, like, defaultSchedule(like, target));
  return std::make_shared<const CompiledKernel>(CompiledKernel{info, code.entry, code.owner, "test", 0});
}

}  // namespace quern
