// tools/quern/commands/Eval.cpp — `quern eval OP IN.npy... -o OUT.npy`: one op on NumPy files.
#include "compiler/base/Text.h"
#include "compiler/op/BlockValues.h"
#include "compiler/store/CallArguments.h"
#include "models/Weights.h"
#include "models/files/WeightValues.h"
#include "tools/quern/commands/Command.h"
#include "tools/quern/cli/ModelKernels.h"
#include "tools/quern/cli/Npy.h"
#include "tools/quern/cli/Words.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <fmt/format.h>

namespace quern {

static const CommandInfo kEvalInfo = {"eval", "OP IN.npy... -o OUT.npy", "runs one op on NumPy files",
                                      "  quern eval matmul a.npy b.npy -o c.npy\n"
                                      "  quern eval \"softmax axis=0\" x.npy -o y.npy\n"
                                      "  quern eval map expr=\"silu(a) * b\" a.npy b.npy -o c.npy\n"};

namespace {

/// A file's numbers as the op's type: as they are, or rounded into `rounded`.
/// Errors   BadInput: numbers of another kind, or ones that the type cannot hold.
Result<const void*> valuesOf(const TensorSpec& spec, const NpyArray& array, const std::string& file, std::vector<std::byte>& rounded) {
  auto kind = [](bool ids, bool bytes) { return ids ? "whole numbers" : bytes ? "i8" : "f32"; };
  bool ids = spec.type == ElementType::I32, bytes = spec.type == ElementType::I8;
  if (ids != array.isIds || bytes != array.isBytes)
    return badInput(fmt::format("{}: descr is {}, {} is needed for {}", escaped(file), kind(array.isIds, array.isBytes),
                                ids ? "i32" : kind(false, bytes), spec.name));
  if (array.isHalf && spec.type != ElementType::F16)
    return badInput(fmt::format("{}: descr is '<f2', '<f4' is needed for {}", escaped(file), spec.name));
  if (array.isIds) return static_cast<const void*>(array.ids.data());
  if (array.isBytes) return static_cast<const void*>(array.bytes.data());
  if (spec.type == ElementType::F32) return static_cast<const void*>(array.values.data());
  auto count = static_cast<int64_t>(array.values.size());
  rounded.resize(static_cast<size_t>(bytesOf(spec.type, count)));
  if (spec.type == ElementType::Q8) {  // rows are whole blocks
    for (int64_t at = 0; at + CodedBlock::kElements <= count; at += CodedBlock::kElements)
      storeCoded(codedBlock(array.values.data() + at), rounded.data() + bytesOf(spec.type, at));
    return static_cast<const void*>(rounded.data());
  }
  if (auto good = fromFloats(fileTypeOf(spec.type), array.values.data(), count, rounded.data()); !good)
    return badInput(fmt::format("{}: as {}: {}", escaped(file), text(spec.type), good.error().message));
  return static_cast<const void*>(rounded.data());
}

/// Every id must name a row of the table behind it, every length be one of what there is.
Result<void> checkIds(const std::vector<TensorSpec>& specs, int64_t below, const std::vector<NpyArray>& arrays,
                      const std::vector<std::string>& files) {
  for (size_t i = 0; i < specs.size(); ++i) {
    if (specs[i].type != ElementType::I32) continue;
    bool last = i + 1 == specs.size();
    if (last) {
      for (int32_t length : arrays[i].ids)
        if (length < 0 || length >= below)
          return badInput(fmt::format("{}: {} is {}; 0 to {} are", escaped(files[i]), specs[i].name, length, below - 1));
      continue;
    }
    int64_t rows = arrays[i + 1].shape[0];
    for (int32_t id : arrays[i].ids)
      if (id < 0 || id >= rows)
        return badInput(fmt::format("{}: id {} is not a row of {}; ids are 0 to {}", escaped(files[i]), id, specs[i + 1].name, rows - 1));
  }
  return {};
}

}  // namespace

static Result<int> runEval(std::vector<std::string> args) {
  CommandLine line(kEvalInfo, std::move(args));
  opFlags(line).value("output", "OUT.npy", "", "where the result goes", 'o');
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
  OpDesc bound = fixed(entry->op, *dims);
  std::vector<TensorSpec> specs = inputsOf(bound);
  CallArguments arguments(bound, *dims);
  std::vector<std::vector<std::byte>> rounded(specs.size());
  std::vector<const void*> inputs;
  for (size_t i = 0; i < specs.size(); ++i) {
    auto data = valuesOf(specs[i], arrays[i], files[i], rounded[i]);
    if (!data) return data.error();
    arguments.input(i, *data);
    inputs.push_back(*data);
  }
  if (auto good = checkIds(specs, i32Below(bound), arrays, files); !good) return good.error();
  auto kernels = kernelsOfOp(*entry, line, *dims);
  if (!kernels) return kernels.error();
  if (!line.has("quiet"))
    std::fprintf(stderr, "%s\nschedule (%s) %s\n", text(entry->op).c_str(), kernels->from.c_str(),
                 escaped(kernels->info().schedule).c_str());
  TensorSpec outSpec = outputOf(bound);
  std::vector<std::byte> out(static_cast<size_t>(bytesOf(outSpec.type, outSpec.elements())));
  if (auto added = accumulatedInput(kernels->info())) std::memcpy(out.data(), inputs[*added], out.size());
  arguments.output(out.data());
  auto call = arguments.call(*kernels);
  if (!call) return call.error();
  call->run();
  std::vector<int64_t> outShape = outSpec.extents();
  std::vector<float> result(static_cast<size_t>(outSpec.elements()));
  rowValues(outSpec.type, out.data(), outSpec.elements(), result.data());
  if (auto good = writeNpy(line.get("output"), outShape, result); !good) return good.error();
  return 0;
}

Command evalCommand() { return {kEvalInfo, runEval}; }

}  // namespace quern
