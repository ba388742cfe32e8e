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
#include <span>

namespace quern {

static const CommandInfo kEvalInfo = {"eval", "OP IN.npy... -o OUT.npy", "runs one op on NumPy files",
                                      "  quern eval matmul a.npy b.npy -o c.npy\n"
                                      "  quern eval \"softmax axis=0\" x.npy -o y.npy\n"
                                      "  quern eval map expr=\"silu(a) * b\" a.npy b.npy -o c.npy\n"};

namespace {

/// The types of a file that an operand takes, the one that it is best given in first. Ids may be whole numbers of any type; what is rounded
/// here, or is in blocks, comes as f32.
std::vector<const NpyType*> takenBy(const TensorSpec& spec) {
  std::vector<const NpyType*> types;
  auto add = [&](std::string_view name) {
    if (const NpyType* type = npyTypeNamed(name)) types.push_back(type);
  };
  if (spec.type == ElementType::I32) add("i32");
  for (const NpyType& type : npyTypes())
    if (spec.type == ElementType::I32 && type.isWhole() && type.name != "i32") add(type.name);
  bool rounds = spec.type == ElementType::F32 || spec.type == ElementType::F16 || spec.type == ElementType::BF16;
  if (spec.type != ElementType::I32 && !rounds) add(text(spec.type));
  if (!types.empty()) return types;
  add("f32");
  if (spec.type == ElementType::F16 || spec.type == ElementType::BF16) add(text(spec.type));
  return types;
}

/// Errors   BadInput: the file's type, and those that are right.
Result<void> checkType(const TensorSpec& spec, const NpyArray& array, const std::string& file) {
  std::vector<const NpyType*> types = takenBy(spec);
  if (std::find(types.begin(), types.end(), array.type) != types.end()) return {};
  std::vector<std::string> names;
  for (const NpyType* type : types) names.emplace_back(type->name);
  std::string right = spec.type == ElementType::I32 ? "i32, or whole numbers of another size," : join(names, " or ");
  return badInput(fmt::format("{}: descr is {} ({}), {} is needed for {}: .astype({}) makes it", escaped(file), array.type->descr,
                              array.type->name, right, spec.name, types.front()->descr));
}

/// Ids as the kernel has them.
Result<void> wholeNumbers(const NpyArray& array, const std::string& file, std::vector<std::byte>& into) {
  into.resize(array.count() * sizeof(int32_t));
  for (size_t i = 0; i < array.count(); ++i) {
    int64_t whole = array.whole(i);
    auto id = static_cast<int32_t>(whole);
    bool large = array.type->kind == NpyType::Kind::Unsigned && whole < 0;
    if (id != whole || large)
      return badInput(fmt::format("{}: element {} is {}, ids are -2^31 to 2^31 - 1", escaped(file), i,
                                  large ? fmt::format("{}", static_cast<uint64_t>(whole)) : fmt::format("{}", whole)));
    std::memcpy(into.data() + i * sizeof id, &id, sizeof id);
  }
  return {};
}

/// A file's numbers as the op's type: as they are, or made of them in `own`.
/// Errors   BadInput: numbers of another kind, or ones that the type cannot hold.
Result<const void*> valuesOf(const TensorSpec& spec, const NpyArray& array, const std::string& file, std::vector<std::byte>& own) {
  if (auto good = checkType(spec, array, file); !good) return good.error();
  if (spec.type == ElementType::I32) {
    if (auto good = wholeNumbers(array, file, own); !good) return good.error();
    return static_cast<const void*>(own.data());
  }
  if (array.type->name == text(spec.type)) return static_cast<const void*>(array.data.data());
  std::vector<float> values = array.floats();
  auto count = static_cast<int64_t>(values.size());
  own.resize(static_cast<size_t>(bytesOf(spec.type, count)));
  if (spec.type == ElementType::Q8) {  // rows are whole blocks
    for (int64_t at = 0; at + CodedBlock::kElements <= count; at += CodedBlock::kElements)
      storeCoded(codedBlock(values.data() + at), own.data() + bytesOf(spec.type, at));
    return static_cast<const void*>(own.data());
  }
  if (auto good = fromFloats(fileTypeOf(spec.type), values.data(), count, own.data()); !good)
    return badInput(fmt::format("{}: as {}: {}", escaped(file), text(spec.type), good.error().message));
  return static_cast<const void*>(own.data());
}

/// Whole numbers that mean something: rows that there are, lengths up to the keys.
Result<void> checkWholes(const std::vector<TensorSpec>& specs, std::span<const void* const> inputs, const std::vector<std::string>& files) {
  for (size_t i = 0; i < specs.size(); ++i) {
    if (specs[i].type != ElementType::I32) continue;
    auto good = checkWhole(specs[i], std::span(static_cast<const int32_t*>(inputs[i]), static_cast<size_t>(specs[i].elements())));
    if (!good) return badInput(fmt::format("{}: {}", escaped(files[i]), good.error().message));
  }
  return {};
}

/// In its own type; blocks, which NumPy does not know, as the numbers that they stand for.
Result<void> writeOutput(const std::string& file, const TensorSpec& spec, std::span<const std::byte> data) {
  if (const NpyType* type = npyTypeNamed(text(spec.type))) return writeNpy(file, spec.extents(), *type, data);
  std::vector<float> values(static_cast<size_t>(spec.elements()));
  rowValues(spec.type, data.data(), spec.elements(), values.data());
  return writeNpy(file, spec.extents(), values);
}

}  // namespace

static Result<int> runEval(std::vector<std::string> args) {
  CommandLine line(kEvalInfo, std::move(args));
  opFlags(line)
      .value("output", "OUT.npy", "", "where the result goes", 'o')
      .value("dtype", "bf16", "bf16", "what files of two bytes of anything (|V2) hold: NumPy has no name for it");
  auto go = ready(line);
  if (!go || !*go) return go ? Result<int>(0) : Result<int>(go.error());
  if (!line.has("output")) return badCommand("eval: -o OUT.npy is missing");
  if (line.get("dtype") != "bf16")
    return badCommand(
        fmt::format("eval: --dtype {}: bf16 is what |V2 can hold; other types say what they are", escaped(line.get("dtype"))));
  std::vector<std::string> words, files;
  for (const std::string& word : line.words()) (word.ends_with(".npy") ? files : words).push_back(word);
  std::vector<NpyArray> arrays;
  std::vector<std::vector<int64_t>> shapes;
  std::vector<ElementType> types;
  for (const std::string& file : files) {
    auto array = readNpy(file);
    if (!array) return array.error();
    shapes.push_back(array->shape);
    types.push_back(elementTypeNamed(array->type->name).value_or(ElementType::F32));
    arrays.push_back(std::move(*array));
  }
  auto entry = opFromWords(words, shapes, types);
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
  if (auto good = checkWholes(specs, inputs, files); !good) return good.error();
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
  if (auto good = writeOutput(line.get("output"), outSpec, out); !good) return good.error();
  return 0;
}

Command evalCommand() { return {kEvalInfo, runEval}; }

}  // namespace quern
