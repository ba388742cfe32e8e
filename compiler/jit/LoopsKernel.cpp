// compiler/jit/LoopsKernel.cpp — see LoopsKernel.h.
#include "compiler/jit/LoopsKernel.h"

#include "compiler/base/InputFile.h"
#include "compiler/base/Text.h"
#include "compiler/jit/CodegenModule.h"
#include "compiler/loops/ir/LoopParser.h"
#include "compiler/loops/ir/LoopPrinter.h"
#include "compiler/loops/ir/LoopVerifier.h"
#include "compiler/loops/Lower.h"
#include "compiler/store/KernelArtifact.h"

#include <algorithm>
#include <cstdlib>
#include <fmt/format.h>
#include <memory>

namespace quern {

Result<LoopProgram> readLoops(const std::string& file) {
  auto bytes = readFile(file);
  if (!bytes) return bytes.error();
  auto program = parseLoops(*bytes, file);
  if (!program) return program;
  if (auto good = verifyLoops(*program); !good) return badInput(fmt::format("{}: {}", escaped(file), good.error().message));
  return program;
}

/// The operands of a program as text: names, roles, shapes, strides, in order.
static std::vector<std::string> interfaceOf(const LoopProgram& program) {
  std::vector<std::string> lines;
  for (const std::string& line : split(text(program), '\n')) {
    bool operand =
        line.starts_with("buffer ") && line.find(" shared [") == std::string::npos && line.find(" thread [") == std::string::npos;
    if (operand || line.starts_with("dim ") || line.starts_with("stride ")) lines.push_back(line);
  }
  return lines;
}

Result<LoopProgram> readLoopsFor(const std::string& file, const OpDesc& op, const Schedule& schedule, const Target& target) {
  auto program = readLoops(file);
  if (!program) return program;
  auto own = lower(op, schedule, target);
  if (!own) return own.error();
  if (auto lacking = program->contract.lackingOn(target); !lacking.empty())
    return badInput(
        fmt::format("{}: isa {} needs {}, which {} lacks", escaped(file), text(program->contract), join(lacking, " "), target.name));
  // Buffers of another shape would be read past their end.
  std::vector<std::string> wanted = interfaceOf(*own), given = interfaceOf(*program);
  for (size_t i = 0; i < std::max(wanted.size(), given.size()); ++i) {
    std::string expected = i < wanted.size() ? wanted[i] : "nothing", found = i < given.size() ? given[i] : "nothing";
    if (expected != found)
      return badInput(fmt::format("{}: has '{}' where {} needs '{}'", escaped(file), escaped(found), text(op), expected));
  }
  return program;
}

Result<LoopArgs> loopArgsOf(const LoopProgram& program, const KernelInfo& info, CallArguments& arguments) {
  auto operands = arguments.operandsOf(info);
  if (!operands) return operands.error();
  LoopArgs args;
  args.dims = arguments.dimsOf(info);
  std::vector<Scalar> elements;  // of what is given: scratch may lie between
  for (const LoopBuffer& buffer : program.buffers)
    if (!buffer.isScratch()) elements.push_back(buffer.element);
  for (size_t i = 0; i < operands->size(); ++i) {
    const Operand& operand = (*operands)[i];
    args.buffers.push_back(const_cast<void*>(operand.data));  // the program says which are written
    if (operand.bytes > 0) args.elements.push_back(operand.bytes / bytesOf(elements[i]));
    args.strides.insert(args.strides.end(), operand.strides.begin(), operand.strides.begin() + info.buffers[i].strides);
  }
  if (args.elements.size() != args.buffers.size()) args.elements.clear();  // not known of all: not held against
  return args;
}

/// What the first two or three seconds of interpreting a program on zeros show: an access outside its buffers above all.
static Result<void> tryLoops(const LoopProgram& program, const KernelInfo& info, const OpDesc& bound, const DimValues& dims) {
  constexpr int64_t kSteps = 20'000'000;
  std::vector<std::unique_ptr<void, void (*)(void*)>> memory;
  auto zeros = [&](int64_t bytes) {
    return memory.emplace_back(std::calloc(static_cast<size_t>(std::max<int64_t>(1, bytes)), 1), std::free).get();
  };
  CallArguments arguments(bound, dims);
  std::vector<TensorSpec> specs = inputsOf(bound);
  specs.push_back(outputOf(bound));
  for (size_t i = 0; i < specs.size(); ++i) {
    int64_t bytes = bytesOf(specs[i].type, specs[i].elements());
    void* data = zeros(bytes);
    if (data == nullptr) return machineLacks(fmt::format("{} bytes for {} are not to be had", bytes, specs[i].name));
    if (i + 1 < specs.size()) arguments.input(i, data);
    else arguments.output(data);
  }
  auto args = loopArgsOf(program, info, arguments);
  if (!args) return args.error();
  return interpretSome(program, *args, kSteps);
}

Result<KernelSet> kernelsFromLoops(const std::string& file, const OpDesc& op, const Schedule& schedule, const Target& target,
                                   const DimValues& dims) {
  auto program = readLoopsFor(file, op, schedule, target);
  if (!program) return program.error();
  KernelInfo info = kernelInfoOf(*program, op, schedule);
  if (auto good = runsHere(info); !good) return good.error();
  if (auto good = tryLoops(*program, info, fixed(op, dims), dims); !good)
    return good.error().code == ErrorCode::BadInput ? badInput(fmt::format("{}: {}", escaped(file), good.error().message)) : good.error();
  auto api = codegenModule();
  if (!api) return api.error();
  auto object = (*api)->emitObject(*program, kKernelSymbol);
  if (!object && object.error().code == ErrorCode::Machine) return object.error();
  if (!object) return badInput(fmt::format("{}: {}", escaped(file), object.error().message));
  auto code = (*api)->linkObject(*object, kKernelSymbol);
  if (!code) return code.error();
  KernelSet set(std::make_shared<const CompiledKernel>(CompiledKernel{info, code->entry, code->owner, file, 0, {}}));
  set.from = file;
  return set;
}

}  // namespace quern
