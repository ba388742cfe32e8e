// tools/quern/Eval.cpp — `quern eval OP IN.npy... -o OUT.npy`: one op on NumPy files.
#include "compiler/base/Text.h"
#include "compiler/op/BlockValues.h"
#include "compiler/store/KernelCall.h"
#include "compiler/store/WeightPacking.h"
#include "models/Weights.h"
#include "models/files/WeightValues.h"
#include "tools/quern/Command.h"
#include "tools/quern/Npy.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <fmt/format.h>

namespace quern {

const CommandInfo kEvalInfo = {"eval", "OP IN.npy... -o OUT.npy", "runs one op on NumPy files",
                               "  quern eval matmul a.npy b.npy -o c.npy\n"
                               "  quern eval \"softmax axis=0\" x.npy -o y.npy\n"
                               "  quern eval map expr=\"silu(a) * b\" a.npy b.npy -o c.npy\n"};

namespace {

/// Inputs of an op as arrays: rounded to the op's types, weights packed as the kernel wants them.
class Arguments {
public:
  Result<void> add(const TensorSpec& spec, const NpyArray& array, const std::string& file) {
    if ((spec.type == ElementType::I32) != array.isIds)
      return badInput(fmt::format("{}: descr is {}, {} is needed for {}", escaped(file), array.isIds ? "whole numbers" : "f32",
                                  spec.type == ElementType::I32 ? "i32" : "f32", spec.name));
    if (array.isHalf && spec.type != ElementType::F16)
      return badInput(fmt::format("{}: descr is '<f2', '<f4' is needed for {}", escaped(file), spec.name));
    Input input{&array, array.isIds ? static_cast<const void*>(array.ids.data()) : array.values.data(), {}};
    if (spec.type != ElementType::F32 && spec.type != ElementType::I32) {
      auto count = static_cast<int64_t>(array.values.size());
      input.rounded = std::make_shared<std::vector<std::byte>>(static_cast<size_t>(bytesOf(spec.type, count)));
      if (auto good = fromFloats(fileTypeOf(spec.type), array.values.data(), count, input.rounded->data()); !good)
        return badInput(fmt::format("{}: as {}: {}", escaped(file), text(spec.type), good.error().message));
      input.data = input.rounded->data();
    }
    inputs_.push_back(std::move(input));
    return {};
  }

  /// Operands in the kernel's order; the output is `out` (a copy of C where the op accumulates).
  std::vector<Operand> bind(const KernelInfo& info, const TensorSpec& outSpec, std::vector<std::byte>& out) {
    std::vector<int64_t> outShape = outSpec.extents();
    out.resize(static_cast<size_t>(bytesOf(outSpec.type, outSpec.elements())));
    std::vector<Operand> operands;
    for (size_t i = 0; i < info.buffers.size(); ++i) {
      const KernelBuffer& buffer = info.buffers[i];
      if (buffer.use == BufferUse::Out) {
        operands.push_back({out.data(), denseStrides(outShape)});
        continue;
      }
      const Input& input = inputs_[i];
      if (buffer.use == BufferUse::InOut) {
        std::memcpy(out.data(), input.data, out.size());
        operands.push_back({out.data(), denseStrides(input.array->shape)});
      } else if (buffer.use == BufferUse::Weight) {
        std::vector<std::byte>& packed = packed_.emplace_back(static_cast<size_t>(buffer.pack.bytes()));
        packWeight(buffer.pack, input.data, packed.data());
        operands.push_back({packed.data(), {}});
      } else {
        operands.push_back({input.data, denseStrides(input.array->shape)});
      }
    }
    return operands;
  }

private:
  struct Input {
    const NpyArray* array;
    const void* data;
    std::shared_ptr<std::vector<std::byte>> rounded;
  };
  std::vector<Input> inputs_;
  std::vector<std::vector<std::byte>> packed_;
};

/// Every id must name a row of the table behind it.
Result<void> checkIds(const std::vector<TensorSpec>& specs, const std::vector<NpyArray>& arrays, const std::vector<std::string>& files) {
  for (size_t i = 0; i + 1 < specs.size(); ++i) {
    if (specs[i].type != ElementType::I32) continue;
    int64_t rows = arrays[i + 1].shape[0];
    for (int32_t id : arrays[i].ids)
      if (id < 0 || id >= rows)
        return badInput(fmt::format("{}: id {} is not a row of {}; ids are 0 to {}", escaped(files[i]), id, specs[i + 1].name, rows - 1));
  }
  return {};
}

}  // namespace

Result<int> runEval(std::vector<std::string> args) {
  CommandLine line(kEvalInfo, std::move(args));
  line.common({"cpu", "schedule", "cache"}).value("output", "OUT.npy", "", "where the result goes", 'o');
  line.value("loops", "FILE", "", "this loop program in place of the generated one");
  auto go = ready(line);
  if (!go || !*go) return go ? Result<int>(0) : Result<int>(go.error());
  if (!line.has("output")) return badCommand("eval: -o OUT.npy is missing");
  std::vector<std::string> words, files;
  for (const std::string& word : line.words()) (word.ends_with(".npy") ? files : words).push_back(word);
  std::vector<NpyArray> arrays;
  std::vector<std::vector<int64_t>> shapes;
  for (const std::string& file : files) {
    auto array = readNpy(file);
    if (!array) return array.error();
    shapes.push_back(array->shape);
    arrays.push_back(std::move(*array));
  }
  auto entry = opFromWords(words, shapes);
  if (!entry) return entry.error();
  auto dims = bindDims(entry->op, shapes);
  if (!dims) return dims.error();
  std::vector<TensorSpec> specs = inputsOf(entry->op);
  Arguments arguments;
  for (size_t i = 0; i < specs.size(); ++i)
    if (auto good = arguments.add(specs[i], arrays[i], files[i]); !good) return good.error();
  if (auto good = checkIds(specs, arrays, files); !good) return good.error();
  auto library = libraryOf(line, true);
  if (!library) return library.error();
  auto choice = chooseFor(**library, *entry, line);
  if (!choice) return choice.error();
  auto kernel = line.has("loops") ? kernelFromLoops(line.get("loops"), entry->op, choice->schedule, (*library)->target(), *dims)
                                  : (*library)->get(entry->op, *choice);
  if (!kernel) return kernel.error();
  if (!line.has("quiet"))
    std::fprintf(stderr, "%s\nschedule (%s) %s\n", text(entry->op).c_str(), choice->from.c_str(), text(choice->schedule).c_str());
  std::vector<std::byte> out;
  TensorSpec outSpec = outputOf(fixed(entry->op, *dims));
  std::vector<Operand> operands = arguments.bind((*kernel)->info, outSpec, out);
  std::vector<int64_t> values;
  for (const std::string& name : (*kernel)->info.dims) values.push_back(dims->at(name));
  auto call = KernelCall::make(*kernel, values, operands);
  if (!call) return call.error();
  call->run();
  std::vector<int64_t> outShape = outSpec.extents();
  std::vector<float> result(static_cast<size_t>(outSpec.elements()));
  rowValues(outSpec.type, out.data(), outSpec.elements(), result.data());
  if (auto good = writeNpy(line.get("output"), outShape, result); !good) return good.error();
  return 0;
}

}  // namespace quern
