// tools/quern/Eval.cpp — `quern eval OP IN.npy... -o OUT.npy`: one op on NumPy files.
#include "compiler/base/Text.h"
#include "compiler/store/KernelCall.h"
#include "compiler/store/WeightPacking.h"
#include "tools/quern/Command.h"
#include "tools/quern/Npy.h"

#include <algorithm>
#include <cstdio>
#include <fmt/format.h>

namespace quern {

const CommandInfo kEvalInfo = {"eval", "OP IN.npy... -o OUT.npy", "runs one op on NumPy files",
                               "  quern eval matmul a.npy b.npy -o c.npy\n"
                               "  quern eval \"softmax axis=0\" x.npy -o y.npy\n"
                               "  quern eval map expr=\"silu(a) * b\" a.npy b.npy -o c.npy\n"};

namespace {

/// Inputs of an op as arrays, weights packed as the kernel wants them.
class Arguments {
public:
  Result<void> add(const TensorSpec& spec, const NpyArray& array, const std::string& file) {
    if ((spec.type == ElementType::I32) != array.isIds)
      return badInput(fmt::format("{}: descr is {}, {} is needed for {}", escaped(file), array.isIds ? "whole numbers" : "f32", text(spec.type), spec.name));
    arrays_.push_back(&array);
    return {};
  }

  /// Operands in the kernel's order; the output is `out` (a copy of C where the op accumulates).
  std::vector<Operand> bind(const KernelInfo& info, const TensorSpec& outSpec, std::vector<float>& out) {
    std::vector<int64_t> outShape;
    for (const TensorDim& dim : outSpec.dims) outShape.push_back(dim.value);
    out.resize(static_cast<size_t>(outSpec.elements()));
    std::vector<Operand> operands;
    for (size_t i = 0; i < info.buffers.size(); ++i) {
      const KernelBuffer& buffer = info.buffers[i];
      if (buffer.use == BufferUse::Out) {
        operands.push_back({out.data(), denseStrides(outShape)});
        continue;
      }
      const NpyArray& array = *arrays_[i];
      if (buffer.use == BufferUse::InOut) {
        out = array.values;
        operands.push_back({out.data(), denseStrides(array.shape)});
      } else if (buffer.use == BufferUse::Weight) {
        std::vector<float>& packed = packed_.emplace_back(static_cast<size_t>(buffer.pack.bytes() / 4));
        packWeight(buffer.pack, array.values.data(), packed.data());
        operands.push_back({packed.data(), {}});
      } else {
        const void* data = array.isIds ? static_cast<const void*>(array.ids.data()) : array.values.data();
        operands.push_back({data, denseStrides(array.shape)});
      }
    }
    return operands;
  }

private:
  std::vector<const NpyArray*> arrays_;
  std::vector<std::vector<float>> packed_;
};

/// Every id must name a row of the table behind it.
Result<void> checkIds(const std::vector<TensorSpec>& specs, const std::vector<NpyArray>& arrays, const std::vector<std::string>& files) {
  for (size_t i = 0; i + 1 < specs.size(); ++i) {
    if (specs[i].type != ElementType::I32) continue;
    int64_t rows = arrays[i + 1].shape[0];
    for (int32_t id : arrays[i].ids)
      if (id < 0 || id >= rows) return badInput(fmt::format("{}: id {} is not a row of {}; ids are 0 to {}", escaped(files[i]), id, specs[i + 1].name, rows - 1));
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
  auto kernel = line.has("loops") ? kernelFromLoops(line.get("loops"), entry->op, choice->schedule, (*library)->target()) : (*library)->get(entry->op, *choice);
  if (!kernel) return kernel.error();
  if (!line.has("quiet")) std::fprintf(stderr, "%s\nschedule (%s) %s\n", text(entry->op).c_str(), choice->from.c_str(), text(choice->schedule).c_str());
  std::vector<float> out;
  TensorSpec outSpec = outputOf(fixed(entry->op, *dims));
  std::vector<Operand> operands = arguments.bind((*kernel)->info, outSpec, out);
  std::vector<int64_t> values;
  for (const std::string& name : (*kernel)->info.dims) values.push_back(dims->at(name));
  auto call = KernelCall::make(*kernel, values, operands);
  if (!call) return call.error();
  call->run();
  std::vector<int64_t> outShape;
  for (const TensorDim& dim : outSpec.dims) outShape.push_back(dim.value);
  if (auto good = writeNpy(line.get("output"), outShape, out); !good) return good.error();
  return 0;
}

}  // namespace quern
