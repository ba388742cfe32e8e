// compiler/op/OpDesc.cpp — the generic half of every op: each function is one visit.
#include "compiler/op/OpDesc.h"

#include "compiler/base/Text.h"

#include <algorithm>
#include <fmt/format.h>

namespace quern {

/// Calls `visit(Op{})` for the alternative named `name`; false where there is none.
template <class Visit, size_t I = 0>
static bool withOpNamed(std::string_view name, Visit&& visit) {
  if constexpr (I == std::variant_size_v<OpDesc>) {
    return false;
  } else {
    using Op = std::variant_alternative_t<I, OpDesc>;
    if (Op::kName != name) return withOpNamed<Visit, I + 1>(name, std::forward<Visit>(visit));
    visit(Op{});
    return true;
  }
}

std::vector<OpListing> listOps() {
  std::vector<OpListing> rows;
  auto add = [&]<class Op>(const Op&) {
    OpDoc doc = Op::doc();
    rows.push_back({std::string(Op::kName), std::string(doc.keys), std::string(doc.meaning), std::string(doc.inputs)});
  };
  [&]<size_t... I>(std::index_sequence<I...>) {
    (add(std::variant_alternative_t<I, OpDesc>{}), ...);
  }(std::make_index_sequence<std::variant_size_v<OpDesc>>());
  for (const MapSpelling& spelling : mapSpellings())
    rows.push_back({std::string(spelling.name), std::string(spelling.keys), std::string(spelling.meaning), std::string(spelling.inputs)});
  return rows;
}

static Error unknownOp(const std::string& name) {
  std::vector<std::string> names;
  for (const OpListing& row : listOps()) names.push_back(row.name);
  if (name.empty()) return badCommand(fmt::format("op text is empty; ops: {}", join(names, " ")));
  return badCommand(fmt::format("unknown op '{}'{}; ops: {}", escaped(name), didYouMean(name, names), join(names, " ")));
}

/// The op that the keys spell, not yet validated.
static Result<OpDesc> readOp(const KeyValues& keys) {
  KeyReader reader(keys, keys.head);
  OpDesc op;
  if (isMapSpelling(keys.head)) op = readMapSpelling(keys.head, reader);
  else if (!withOpNamed(keys.head, [&]<class Op>(const Op&) { op = Op::read(reader); })) return unknownOp(keys.head);
  if (auto good = reader.finish(); !good) return good.error();
  return op;
}

Result<OpDesc> opFromKeys(const KeyValues& keys) {
  auto op = readOp(keys);
  if (!op) return op;
  if (auto good = std::visit([](const auto& o) { return o.validate(); }, *op); !good) return good.error();
  return op;
}

Result<OpDesc> parseOp(std::string_view text) { return parseOpFor(text, {}); }

/// Takes keys that are missing from the arrays' shapes.
static void fill(KeyValues& keys, std::span<const std::vector<int64_t>> shapes) {
  if (isMapSpelling(keys.head)) fillSpellingFromShapes(keys.head, keys, shapes);
  else withOpNamed(keys.head, [&]<class Op>(const Op&) { Op::fillFromShapes(keys, shapes); });
}

/// Whether an op's sizes can be taken from these arrays.
static bool fills(const std::string& name, std::span<const std::vector<int64_t>> shapes) {
  KeyValues keys{name, {}};
  fill(keys, shapes);
  return !keys.pairs.empty();
}

/// Whether arrays that fill nothing have as many dimensions as an op's inputs have without any keys: those with too few are why its sizes
/// are not known.
static Result<void> checkRanks(std::string_view name, std::span<const std::vector<int64_t>> shapes) {
  std::vector<TensorSpec> inputs;
  withOpNamed(name, [&]<class Op>(const Op&) {
    // Those of one input of any rank are filled by any array.
    if constexpr (!std::is_same_v<Op, MapOp> && !requires(const Op& op) { op.shape; }) inputs = Op{}.withRuntimeDims().inputs();
  });
  if (!inputs.empty() && shapes.size() < inputs.size())
    return badInput(fmt::format("{}: {} given, {} needed", name, counted(shapes.size(), "input"), inputs.size()));
  for (bool few : {true, false})
    for (size_t i = 0; i < inputs.size(); ++i) {
      size_t is = shapes[i].size(), needed = inputs[i].dims.size();
      if (few ? is < needed : is != needed)
        return badInput(fmt::format("{}: input {} ({}) is {}, {} needed", name, i + 1, inputs[i].name,
                                    is == 0 ? "a single value" : shapeText(shapes[i]), counted(needed, "dimension")));
    }
  return {};
}

Result<OpDesc> parseOpFor(std::string_view text, std::span<const std::vector<int64_t>> shapes, std::span<const ElementType> types) {
  auto keys = parseKeyValues(text, "op", true);
  if (!keys) return keys.error();
  fill(*keys, shapes);
  withOpNamed(keys->head, [&]<class Op>(const Op&) {
    if constexpr (requires { Op::fillFromTypes(*keys, types); }) Op::fillFromTypes(*keys, types);
  });
  auto op = readOp(*keys);
  if (!op && !shapes.empty() && !fills(keys->head, shapes))
    if (auto fits = checkRanks(keys->head, shapes); !fits) return fits.error();
  if (!op) return op;
  auto good = std::visit([](const auto& o) { return o.validate(); }, *op);
  if (good) return op;
  // What the arrays say is an input, what the text says a command.
  return shapes.empty() ? good.error() : badInput(good.error().message);
}

std::string text(const OpDesc& op) {
  KeyValues keys = std::visit([](const auto& o) { return o.write(); }, op);
  if (const MapOp* map = std::get_if<MapOp>(&op))
    if (auto spelling = spellingOf(*map)) keys = *spelling;
  std::string out = keys.head;
  for (const auto& [key, value] : keys.pairs) out += fmt::format(" {}={}", key, quotedIfNeeded(value));
  return out;
}

std::string_view nameOf(const OpDesc& op) {
  return std::visit([]<class Op>(const Op&) { return Op::kName; }, op);
}

OpClass classOf(const OpDesc& op) {
  return std::visit([]<class Op>(const Op&) { return Op::kClass; }, op);
}

bool commonMathsOf(const OpDesc& op) {
  return std::visit(
      [](const auto& o) {
        if constexpr (requires { o.commonMaths; }) return o.commonMaths;
        else return false;
      },
      op);
}

std::optional<OpDesc> handingOn(OpDesc op, ElementType type) {
  bool good = std::visit(
      [&](auto& o) {
        if constexpr (requires { o.out; }) o.out = type;
        else if constexpr (requires { o.shape.out; }) o.shape.out = type;
        else return false;
        return static_cast<bool>(o.validate());
      },
      op);
  if (!good) return std::nullopt;
  return op;
}

ElementType mayArriveAs(const OpDesc& op) {
  return std::visit(
      [](const auto& o) {
        if constexpr (requires { o.mayArriveAs(); }) return o.mayArriveAs();
        else return ElementType::F32;
      },
      op);
}

OpDesc arrivingAs(OpDesc op, ElementType type) {
  std::visit(
      [&](auto& o) {
        if constexpr (requires { o.mayArriveAs(); }) o.in = type;
      },
      op);
  return op;
}

std::vector<TensorSpec> inputsOf(const OpDesc& op) {
  return std::visit([](const auto& o) { return o.inputs(); }, op);
}

TensorSpec outputOf(const OpDesc& op) {
  return std::visit([](const auto& o) { return o.output(); }, op);
}

std::vector<std::string> runtimeDims(const OpDesc& op) {
  std::vector<std::string> names;
  std::vector<TensorSpec> tensors = inputsOf(op);
  tensors.push_back(outputOf(op));
  for (const TensorSpec& tensor : tensors)
    for (const TensorDim& dim : tensor.dims)
      if (dim.any() && std::find(names.begin(), names.end(), dim.name) == names.end()) names.push_back(dim.name);
  return names;
}

OpDesc fixed(const OpDesc& op, const DimValues& values) {
  return std::visit([&](const auto& o) { return OpDesc(o.fixed(values)); }, op);
}

OpDesc withRuntimeDims(const OpDesc& op) {
  return std::visit([](const auto& o) { return OpDesc(o.withRuntimeDims()); }, op);
}

Result<DimValues> bindDims(const OpDesc& op, std::span<const std::vector<int64_t>> shapes) {
  std::vector<TensorSpec> inputs = inputsOf(op);
  std::string subject = text(op);
  if (shapes.size() != inputs.size()) return badInput(fmt::format("{}: {} inputs given, {} needed", subject, shapes.size(), inputs.size()));
  DimValues values;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const TensorSpec& spec = inputs[i];
    if (shapes[i].size() != spec.dims.size())
      return badInput(
          fmt::format("{}: input {} ({}) is {}, {} dimensions needed", subject, i + 1, spec.name, shapeText(shapes[i]), spec.dims.size()));
    for (size_t d = 0; d < spec.dims.size(); ++d) {
      const TensorDim& dim = spec.dims[d];
      auto bound = values.find(dim.name);
      int64_t expected = !dim.any() ? dim.value : bound != values.end() ? bound->second : shapes[i][d];
      if (shapes[i][d] != expected)
        return badInput(fmt::format("{}: input {} ({}) is {}: dimension {} ({}) is {}, {} needed", subject, i + 1, spec.name,
                                    shapeText(shapes[i]), d, dim.name, shapes[i][d], expected));
      if (dim.any()) values[dim.name] = expected;
    }
  }
  return values;
}

double flopsOf(const OpDesc& op) {
  return std::visit([](const auto& o) { return o.flops(); }, op);
}

double minBytesOf(const OpDesc& op) {
  std::vector<TensorSpec> tensors = inputsOf(op);
  tensors.push_back(outputOf(op));
  double bytes = 0;
  for (const TensorSpec& tensor : tensors) bytes += static_cast<double>(bytesOf(tensor.type, tensor.elements()));
  std::visit(
      [&]<class Op>(const Op& o) {
        if constexpr (requires { o.unreadBytes(); }) bytes -= o.unreadBytes();
      },
      op);
  return bytes;
}

}  // namespace quern
