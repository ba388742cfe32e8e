// tools/quern/commands/ModelFacts.cpp — see ModelFacts.h.
#include "tools/quern/commands/ModelFacts.h"

#include "compiler/base/Checked.h"
#include "compiler/base/Text.h"
#include "compiler/schedule/Schedule.h"
#include "models/files/WeightValues.h"
#include "models/tokenizer/ModelTokenizer.h"
#include "tools/quern/cli/ModelKernels.h"
#include "tools/quern/cli/ModelRun.h"
#include "tools/recorded/NamedModel.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <limits>
#include <map>

namespace quern {

static constexpr int64_t kMostSize = int64_t{1} << 40;

/// What a getter found; its error joins the reasons.
template <class T>
static std::optional<T> taken(Result<std::optional<T>> found, ModelFacts& facts) {
  if (found) return *found;
  facts.refused.push_back(found.error().message);
  return std::nullopt;
}

static void readMetadata(const Metadata& metadata, ModelFacts& facts) {
  facts.architecture = taken(metadata.string("general.architecture"), facts).value_or("");
  facts.name = taken(metadata.string("general.name"), facts).value_or("");
  if (facts.architecture.empty()) facts.refused.push_back(fmt::format("{}: has no 'general.architecture'", escapedShort(metadata.file())));
  auto size = [&](const char* key) { return taken(metadata.integer(facts.architecture + "." + key, 0, kMostSize), facts); };
  auto sizes = [&](const char* key, const char* name) {  // a number, or one of each layer
    auto value = metadata.values().find(facts.architecture + "." + key);
    auto numbers = value == metadata.values().end() || !std::holds_alternative<MetadataNumbers>(value->second)
                       ? Result<std::vector<int32_t>>(std::vector<int32_t>())
                       : metadata.integers(value->first);
    if (!numbers || numbers->empty()) return size(key);
    std::vector<int64_t> all(numbers->begin(), numbers->end());
    auto [least, most] = std::minmax_element(all.begin(), all.end());
    if (*least != *most) facts.layerSizes[name] = all;
    return std::optional<int64_t>(*most);
  };
  facts.context = size("context_length");
  facts.width = size("embedding_length");
  facts.layers = size("block_count");
  facts.heads = sizes("attention.head_count", "heads");
  facts.kvHeads = sizes("attention.head_count_kv", "kv_heads");
  facts.hidden = sizes("feed_forward_length", "hidden");
  facts.vocab = size("vocab_size");
  facts.tokenizer = taken(metadata.string("tokenizer.ggml.model"), facts).value_or("");
  auto tokens = metadata.strings("tokenizer.ggml.tokens");
  if (!tokens) facts.refused.push_back(tokens.error().message);
  else if (!tokens->empty()) facts.tokens = static_cast<int64_t>(tokens->size());
  if (!facts.vocab) facts.vocab = facts.tokens;
}

static void readConfig(const WeightFiles& files, ModelFacts& facts) {
  JsonFields fields(files.configPath(), *files.config());
  facts.architecture = taken(fields.string("model_type"), facts).value_or("");
  facts.name = taken(fields.string("_name_or_path"), facts).value_or("");
  const JsonValue* names = files.config()->find("architectures");
  const auto* list = names == nullptr ? nullptr : names->as<JsonArray>();
  bool named = facts.architecture.empty() && list != nullptr && !list->empty() && list->front().as<std::string>() != nullptr;
  if (named) facts.architecture = *list->front().as<std::string>();
  auto size = [&](std::initializer_list<const char*> keys) {  // GPT-2's names and everybody else's
    for (const char* key : keys)
      if (auto value = taken(fields.integer(key, 0, kMostSize), facts)) return value;
    return std::optional<int64_t>();
  };
  facts.context = size({"max_position_embeddings", "n_positions", "n_ctx"});
  facts.width = size({"hidden_size", "n_embd"});
  facts.layers = size({"num_hidden_layers", "n_layer"});
  facts.heads = size({"num_attention_heads", "n_head"});
  facts.kvHeads = size({"num_key_value_heads"});
  facts.hidden = size({"intermediate_size", "n_inner"});
  facts.vocab = size({"vocab_size"});
  if (!files.tokenizerPath().empty()) facts.tokenizer = files.tokenizerPath().substr(files.tokenizerPath().find_last_of('/') + 1);
}

/// Types that no command reads values of, each with one tensor as an example.
static void refuseTypes(const WeightFiles& files, ModelFacts& facts) {
  std::map<TensorType, std::pair<const FileTensor*, size_t>> found;
  for (const FileTensor& tensor : files.tensors())
    if (!checkConvertible(tensor.type)) {
      auto& [first, count] = found[tensor.type];
      if (count++ == 0) first = &tensor;
    }
  for (const auto& [type, those] : found)
    facts.refused.push_back(fmt::format(
        "{}: {} of type {}, such as '{}': {}", escapedShort(files.files()[static_cast<size_t>(those.first->file)].path()),
        counted(those.second, "tensor"), nameOf(type), escapedShort(those.first->name), checkConvertible(type).error().message));
}

/// What each --compute would make of a model that can be read, and which it is without that flag.
static void readArithmetic(ModelSource& source, const Target& target, ModelFacts& facts) {
  source.order = pairOrderFor(target);
  for (Compute compute : {Compute::Fast, Compute::Tile}) {
    source.compute = compute;
    auto products = productsOf(source);
    if (!products) return facts.refused.push_back(products.error().message);
    RoundedFacts own{compute, std::move(*products), ""};
    if (auto good = computableOn(own.products, target); !good) own.refused = good.error().message;
    if (compute == Compute::Fast) facts.compute = usualCompute(own.products, target);
    if (!own.products.empty()) facts.rounded.push_back(std::move(own));
  }
}

/// Keys and values of all layers, of those with a window no more than a session keeps of them; the heads are whole blocks, or no such cache
/// can be.
static void readCache(const ModelConfig& config, ModelFacts& facts) {
  if (config.encoder) return;
  for (const KvType& each : kvTypes()) {
    if (config.headDim() % formatOf(each.type).block != 0) continue;
    std::optional<int64_t> bytes = 0;
    for (int64_t i = 0; i < config.layers; ++i) {
      LayerConfig own = config.layer(i);
      int64_t rows = config.context, window = own.window;
      int64_t rowBytes = (own.heads == 0 ? 0 : own.kvHeads) * bytesOf(each.type, config.headDim());
      if (window > 0 && window < rows && rowBytes > 0) rows = std::min(rows, PlanBuilder::ringRows(rowBytes, window, ModelOptions{}.chunk));
      auto layer = checkedMul(2 * rows, rowBytes);
      bytes = bytes && layer ? checkedAdd(*bytes, *layer) : std::nullopt;
    }
    if (bytes) facts.cacheBytes.emplace_back(each.name, *bytes);
  }
}

/// What running it would take, from what kernels of default schedules would say of themselves.
static void readMemory(ModelSource source, const Target& target, const ModelAsked& asked, ModelFacts& facts) {
  KernelProvider foreseen = kernelsForeseen(target);
  if (!foreseen) return;
  source.compute = facts.compute;
  auto memory = memoryOf(std::move(source), foreseen, asked.options);
  if (memory) facts.memory = *memory;
  else facts.refused.push_back(memory.error().message);
}

/// What an architecture says of these sizes and tensors.
static void refuseModel(const WeightFiles& files, const Target& target, const ModelAsked& asked, ModelFacts& facts) {
  // The description points into the files and does not outlive them.
  auto source = describeModel(std::shared_ptr<const WeightFiles>(&files, [](const WeightFiles*) {}));
  auto good = source ? Result<void>() : Result<void>(source.error());
  for (const AdapterName& adapter : asked.adapters)
    if (good) good = addAdapter(*source, adapter);
  if (good) good = checkModel(*source);
  if (source) facts.context = source->config.context;
  if (!good) return facts.refused.push_back(good.error().message);
  facts.parameters = std::max(facts.parameters, source->weights.elements());  // of tensors in packings of their own there are fewer
  for (const SourceAdapter& adapter : source->adapters)
    for (const FileTensor& tensor : adapter.files->tensors()) facts.adapted += tensor.elements();
  readArithmetic(*source, target, facts), readCache(source->config, facts);
  readMemory(std::move(*source), target, asked, facts);
}

/// What the tokenizer's reader says; and how many tokens there are where only it knows.
static void refuseTokenizer(const WeightFiles& files, ModelFacts& facts) {
  auto tokenizer = readModelTokenizer(files);
  if (tokenizer && !facts.tokens) facts.tokens = tokenizer->size();
  if (tokenizer || std::count(facts.refused.begin(), facts.refused.end(), tokenizer.error().message) > 0) return;
  facts.refused.push_back(tokenizer.error().message);
}

ModelFacts factsOf(const WeightFiles& files, const Target& target, const ModelAsked& asked) {
  ModelFacts facts;
  if (files.format() == WeightFormat::Gguf) readMetadata(files.metadata(), facts);
  else readConfig(files, facts);
  for (const FileTensor& tensor : files.tensors()) facts.parameters += tensor.elements();
  // Types that a model is made of are those that it is read from; of what is no model those are named that nothing reads.
  ModelFacts model = facts;
  if (facts.refused.empty() && !files.tensors().empty()) refuseModel(files, target, asked, model);
  refuseTypes(files, facts);
  if (files.tensors().empty())
    facts.refused.push_back(fmt::format("{}: has no tensors: it can tokenize, but not run", escapedShort(files.path())));
  else if (model.refused.empty() || facts.refused.empty()) facts = std::move(model);
  if (facts.tokenizer.empty())
    facts.refused.push_back(fmt::format("{}: has no tokenizer: only ids work, text does not", escapedShort(files.path())));
  else refuseTokenizer(files, facts);
  return facts;
}

ModelFacts factsOf(const ModelConfig& config, const Target& target, const ModelAsked& asked) {
  ModelFacts facts;
  facts.architecture = config.architecture;
  facts.name = config.name;
  facts.context = config.context;
  facts.width = config.width;
  facts.layers = config.layers;
  facts.heads = config.heads;
  facts.hidden = config.hidden;
  facts.vocab = config.vocab;
  int64_t w = config.width, h = config.hidden;
  int64_t block = 2 * w + (3 * w * w + 3 * w) + (w * w + w) + 2 * w + (w * h + h) + (h * w + w);  // norm, qkv, proj, norm, fc1, fc2
  facts.parameters = (config.vocab + config.context) * w + config.layers * block + 2 * w + config.vocab * w;
  ModelSource source = randomModel(config, false);
  readArithmetic(source, target, facts);
  readCache(config, facts);
  readMemory(std::move(source), target, asked, facts);
  return facts;
}

void checkTensor(const FileTensor& tensor, WeightCheck& check) {
  if (!checkConvertible(tensor.type)) {
    check.skipped.push_back(tensor.name);
    return;
  }
  ++check.tensors;
  int64_t elements = tensor.elements(), step = 4096;  // whole blocks of every type
  const TensorTypeInfo& info = infoOf(tensor.type);
  std::vector<float> values(static_cast<size_t>(step));
  BadWeight bad{tensor.name, 0, 0, 0};
  for (int64_t first = 0; first < elements; first += step) {
    int64_t count = std::min(step, elements - first);
    auto good = toFloats(tensor.type, tensor.data + first / info.blockElements * info.blockBytes, count, values.data());
    for (int64_t i = 0; good && i < count; ++i) {
      float value = values[static_cast<size_t>(i)];
      if (std::isfinite(value)) continue;
      if (bad.count++ == 0) {
        bad.index = first + i;
        bad.value = std::isnan(value) ? std::numeric_limits<float>::quiet_NaN() : value;  // without a sign
      }
    }
  }
  check.values += elements;
  if (bad.count > 0) check.bad.push_back(std::move(bad));
}

}  // namespace quern
