// models/ModelSource.cpp — see ModelSource.h.
#include "models/ModelSource.h"

#include "compiler/base/LineSum.h"
#include "compiler/base/Text.h"
#include "models/EncoderFolder.h"
#include "models/IntegerGroups.h"

#include <algorithm>
#include <fmt/format.h>

namespace quern {

/// "llama qwen2 gpt2": what could have been there.
static std::string knownNames(bool hf) {
  std::vector<std::string> all;
  for (const Architecture& each : architectures()) {
    if (!hf) all.insert(all.end(), each.ggufNames.begin(), each.ggufNames.end());
    for (const HfName& name : each.hfNames)
      if (hf) all.emplace_back(name.name);
  }
  return join(all, " ");
}

/// The key, the tokens and the table all say how large the vocabulary is. Rows of the table are what can be had, where one of the others
/// agrees, or where tokens alone speak and some of them have no row.
static int64_t tableRows(const WeightFiles& files, const ModelConfig& config) {
  const FileTensor* table = files.find("token_embd.weight");
  if (table == nullptr || table->shape.size() != 2 || table->shape[1] != config.width) return config.vocab;
  auto tokens = files.metadata().strings("tokenizer.ggml.tokens");
  int64_t rows = table->shape[0], count = tokens ? static_cast<int64_t>(tokens->size()) : 0;
  bool keyless = config.vocab == count;
  return rows == count || (keyless && rows < count) ? rows : config.vocab;
}

static Result<void> describeGguf(ModelSource& source) {
  const Metadata& metadata = source.files->metadata();
  auto bad = [&](const std::string& why) { return badInput(fmt::format("{}: {}", escaped(metadata.file()), why)); };
  auto name = metadata.string("general.architecture");
  if (!name) return name.error();
  if (!*name) return bad("'general.architecture' is missing");
  auto type = metadata.string("general.type");
  if (!type) return type.error();
  if (std::string_view is = type->value_or("model"); is == "adapter" || is == "mmproj" || is == "imatrix")
    return bad(fmt::format("'general.type' is '{}', a part of a model: the model itself is needed", escapedShort(is)));
  for (const Architecture& each : architectures())
    if (std::find(each.ggufNames.begin(), each.ggufNames.end(), **name) != each.ggufNames.end()) source.architecture = &each;
  if (source.architecture == nullptr)
    return bad(fmt::format("'general.architecture' is '{}'; known: {}", escapedShort(**name), knownNames(false)));
  auto config = source.architecture->readGguf(metadata, std::string(**name));
  if (!config) return config.error();
  source.config = std::move(*config);
  source.config.vocab = tableRows(*source.files, source.config);
  return {};
}

/// A name of config.json's architectures; by model_type where that is missing.
static Result<const HfName*> hfNameOf(ModelSource& source, const JsonFields& fields, const JsonValue& root) {
  auto bad = [&](const std::string& why) { return badInput(fmt::format("{}: {}", escaped(fields.file()), why)); };
  auto type = fields.string("model_type");
  if (!type) return type.error();
  const JsonValue* names = root.find("architectures");
  const auto* list = names == nullptr ? nullptr : names->as<JsonArray>();
  bool none = names == nullptr || names->as<std::nullptr_t>() != nullptr || (list != nullptr && list->empty());
  const std::string* name = none || list == nullptr ? nullptr : list->front().as<std::string>();
  if (name == nullptr && !(none && *type)) return bad(fmt::format("'architectures' is no list of names; known: {}", knownNames(true)));
  const HfName* found = nullptr;
  for (const Architecture& each : architectures())
    for (const HfName& known : each.hfNames)
      if (found == nullptr && (name != nullptr ? known.name == *name : known.modelType == **type)) {
        found = &known;
        source.architecture = &each;
      }
  if (found == nullptr && name == nullptr)
    return bad(fmt::format("'model_type' is '{}' without 'architectures'; known: {}", escapedShort(**type), knownNames(true)));
  if (found == nullptr) return bad(fmt::format("'architectures' is '{}'; known: {}", escapedShort(*name), knownNames(true)));
  if (*type && **type != found->modelType)
    return bad(fmt::format("'model_type' is '{}' but 'architectures' is {}, whose type is {}", escapedShort(**type), found->name,
                           found->modelType));
  return found;
}

/// Weights that other programs have packed: the numbers of their tensors mean nothing by themselves.
static Result<void> checkPlain(const WeightFiles& files, const JsonValue& root, bool grouped) {
  constexpr const char* kNeeded = "weights packed so are not read; plain *.safetensors or GGUF are";
  auto bad = [&](const std::string& why) { return badInput(fmt::format("{}: {}", escaped(files.configPath()), why)); };
  for (const char* key : {"quantization", "compression_config"}) {
    const JsonValue* given = root.find(key);
    if (given == nullptr || given->as<std::nullptr_t>() != nullptr) continue;
    const auto* fields = given->as<JsonObject>();
    if (fields != nullptr && fields->empty()) continue;
    const JsonValue* method = given->find("quant_method");
    const auto* text = method == nullptr ? nullptr : method->as<std::string>();
    return bad(fmt::format("'{}' is {}: {}", key, text != nullptr ? fmt::format("'{}'", escapedShort(*text)) : given->kind(), kNeeded));
  }
  for (const FileTensor& tensor : files.tensors())
    if (!grouped && tensor.name.ends_with(".qweight"))
      return badInput(
          fmt::format("{}: tensor '{}' is packed as GPTQ and AWQ do, but config.json has no 'quantization_config', which says how",
                      escaped(files.path()), escapedShort(tensor.name)));
  return {};
}

static Result<void> describeFolder(ModelSource& source, std::optional<IntegerGroups>& groups) {
  const JsonValue& root = *source.files->config();
  JsonFields fields(source.files->configPath(), root);
  auto name = hfNameOf(source, fields, root);
  if (!name) return name.error();
  auto grouped = integerGroupsOf(source.files->configPath(), root);
  if (!grouped) return grouped.error();
  groups = *grouped;
  if (auto plain = checkPlain(*source.files, root, groups.has_value()); !plain) return plain;
  auto config = source.architecture->readHf(fields, root, **name);
  if (!config) return config.error();
  source.config = std::move(*config);
  source.hf = true;
  if (source.config.encoder)
    if (auto good = readPooling(source.files->path(), source.config); !good) return good;
  return {};
}

Result<ModelSource> describeModel(std::shared_ptr<const WeightFiles> files) {
  ModelSource source;
  source.files = std::move(files);
  std::optional<IntegerGroups> groups;
  auto good = source.files->format() == WeightFormat::Gguf ? describeGguf(source) : describeFolder(source, groups);
  if (!good) return good.error();
  if (auto valid = source.config.validate(source.files->path()); !valid) return valid.error();
  source.weights = Weights::ofFiles(*source.files, source.hf ? source.architecture->hfWeights : std::span<const WeightName>(),
                                    source.architecture->ignored);
  if (groups)
    if (auto joined = joinIntegerGroups(*source.files, *groups, source.weights); !joined) return joined.error();
  if (source.hf && source.architecture->join != nullptr)
    if (auto joined = source.architecture->join(*source.files, source.weights); !joined) return joined.error();
  return source;
}

Result<std::string> descriptionSum(const WeightFiles& files) {
  uint64_t sum = 0;
  auto add = [&](const MappedFile& file) {
    uint64_t both[] = {sum, lineSum(file.data(), static_cast<size_t>(file.bytes()))};
    sum = lineSum(reinterpret_cast<const std::byte*>(both), sizeof both);
  };
  for (const MappedFile& file : files.files()) add(file);
  for (const std::string& path : files.smallFiles()) {
    auto file = MappedFile::open(path);
    if (!file) return file.error();
    add(*file);
  }
  return sumText(sum);
}

static Error notThatOf(const BundleFile& file) {
  return badInput(
      fmt::format("{}: is not what the bundle was emitted with: its sum differs; quern emit --weights writes it anew", escaped(file.path)));
}

Result<ModelSource> openPackedModel(const BundledModel& model, const BundleArithmetic& computed) {
  auto packed = PackedFile::open(model.weights.path);
  if (!packed) return packed.error();
  if (packed->headSum() != model.weights.sum) return notThatOf(model.weights);
  auto files = WeightFiles::open(model.description.path);
  if (!files) return files.error();
  auto sum = descriptionSum(*files);
  if (!sum) return sum.error();
  if (*sum != model.description.sum) return notThatOf(model.description);
  if (auto good = files->addAbsent(packed->tensors()); !good) return good.error();
  auto source = describeModel(std::make_shared<const WeightFiles>(std::move(*files)));
  if (!source) return source;
  source->packed = std::make_shared<const PackedFile>(std::move(*packed));
  source->compute = computeNamed(computed.compute).value_or(Compute::Exact);
  source->order = computed.order == "pairs" ? PairOrder::Pairs : PairOrder::Tile32;
  return source;
}

Result<ModelSource> openModelFiles(const std::string& path, std::span<const std::string> ignoredKeys) {
  auto files = WeightFiles::open(path);
  if (!files) return files.error();
  if (auto good = files->ignoreKeys(ignoredKeys); !good) return good.error();
  return describeModel(std::make_shared<const WeightFiles>(std::move(*files)));
}

}  // namespace quern
