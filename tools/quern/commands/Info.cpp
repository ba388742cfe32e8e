// tools/quern/commands/Info.cpp — `quern info`: what a model is, from its files, and whether its weights are numbers.
#include "compiler/base/Text.h"
#include "compiler/target/UsableCpus.h"
#include "models/KvTypes.h"
#include "tools/quern/commands/Command.h"
#include "tools/quern/cli/Json.h"
#include "tools/quern/commands/ModelFacts.h"
#include "tools/quern/cli/ModelOpen.h"
#include "tools/quern/cli/Progress.h"
#include "tools/quern/cli/Words.h"
#include "tools/recorded/NamedModel.h"

#include <algorithm>
#include <cstdio>
#include <fmt/format.h>
#include <map>

namespace quern {

static const CommandInfo kInfoInfo = {
    "info", "--model M [--check]", "what a model is: sizes, tensors, metadata, and what would be refused",
    "  quern info -m model.gguf\n  quern info -m folder --all --json -\n  quern info -m model.gguf --check      "
    "  # reads every weight: exit 1 where one is NaN or Inf\n"};

namespace {

constexpr size_t kShownTensors = 24, kShownElements = 6, kShownBad = 20, kShownBytes = 4096;

std::string row(const char* name, const std::string& value) { return value.empty() ? "" : fmt::format("{:<13} {}\n", name, value); }

std::string grouped(int64_t number) {
  std::string digits = std::to_string(number);
  for (auto at = static_cast<int64_t>(digits.size()) - 3; at > 0; at -= 3) digits.insert(static_cast<size_t>(at), 1, ',');
  return digits;
}

/// As JSON names them; people see them with a blank for an underscore.
std::vector<std::pair<std::string, std::optional<int64_t>>> sizesOf(const ModelFacts& facts) {
  return {{"width", facts.width},      {"layers", facts.layers}, {"heads", facts.heads},
          {"kv_heads", facts.kvHeads}, {"hidden", facts.hidden}, {"vocab", facts.vocab}};
}

std::string sizesText(const ModelFacts& facts) {
  std::string all;
  for (const auto& [name, value] : sizesOf(facts)) {
    if (!value) continue;
    std::string shown = name;
    std::replace(shown.begin(), shown.end(), '_', ' ');
    std::string number = std::to_string(*value);
    if (auto own = facts.layerSizes.find(name); own != facts.layerSizes.end())
      number = fmt::format("{} to {}", *std::min_element(own->second.begin(), own->second.end()), number);
    all += fmt::format("{}{} {}", all.empty() ? "" : ", ", shown, number);
  }
  return all;
}

std::string headText(const ModelFacts& facts) {
  std::string out = row("architecture", fmt::format("{}{}", escapedShort(facts.architecture),
                                                    facts.name.empty() ? "" : fmt::format(" ({})", escapedShort(facts.name))));
  out += row("parameters", grouped(facts.parameters)) + row("context", facts.context ? std::to_string(*facts.context) : "") +
         row("sizes", sizesText(facts));
  if (!facts.tokenizer.empty())
    out +=
        row("tokenizer", fmt::format("{}{}", escapedShort(facts.tokenizer), facts.tokens ? fmt::format(", {} tokens", *facts.tokens) : ""));
  return out;
}

/// What a KV cache of the whole context takes, by what it keeps.
std::string cacheText(const ModelFacts& facts) {
  std::string all;
  for (const auto& [name, bytes] : facts.cacheBytes)
    all += fmt::format("{}{} {}", all.empty() ? "" : ", ", name, humanBytes(static_cast<double>(bytes)));
  return row("kv cache", all);
}

/// What running it takes.
std::string memoryText(const ModelFacts& facts, const ModelAsked& asked) {
  if (!facts.memory) return "";
  auto human = [](int64_t bytes) { return humanBytes(static_cast<double>(bytes)); };
  const ModelMemory& memory = *facts.memory;
  std::string cache = memory.cache == 0 ? "" : fmt::format(", kv cache {}", human(memory.cache));
  int64_t context = asked.options.context != 0 ? asked.options.context : facts.context.value_or(0);
  return row("memory", fmt::format("{}: weights {}{}, scratch {}, at {} positions{}, {}",
                                   human(memory.weights + memory.cache + memory.scratch), human(memory.weights), cache,
                                   human(memory.scratch), context, cache.empty() ? "" : fmt::format(" of {}", text(asked.options.kvType)),
                                   counted(static_cast<size_t>(asked.options.threads), "thread")));
}

/// What commands compute products in: without --compute, then with each other word of it.
std::string arithmeticText(const ModelFacts& facts, const Target& target) {
  if (facts.rounded.empty()) return "";
  std::string where = target.name == "host" ? "this CPU" : target.name, usual = "exact: a=f32", others;
  auto other = [&](Compute compute, const std::string& what) {
    others += row("", fmt::format("--compute {} on {}: {}", nameOf(compute), where, what));
  };
  if (facts.compute != Compute::Exact) other(Compute::Exact, "a=f32");
  for (const RoundedFacts& own : facts.rounded) {
    std::string what = own.refused.empty() ? text(own.products) : "refused: " + own.refused;
    if (own.compute != facts.compute) other(own.compute, what);
    else usual = fmt::format("{} on {}: {}", nameOf(own.compute), where, what);
  }
  return row("arithmetic", usual) + others;
}

void addArithmeticJson(Json& json, const ModelFacts& facts, const Target& target) {
  if (facts.rounded.empty()) return;
  Json& all = json["arithmetic"] = {{"compute", nameOf(facts.compute)}, {"cpu", target.name}};
  for (const RoundedFacts& own : facts.rounded) {
    std::string name(nameOf(own.compute));
    all[name] = Json::array();
    if (!own.refused.empty()) all[name + "_refused"] = own.refused;
    for (const ProductArithmetic& one : own.products) {
      Json product = {{"weights", one.weights}, {"a", one.a}};
      if (!one.order.empty()) product["order"] = one.order;
      all[name].push_back(product);
    }
  }
}

/// Tensors and bytes of each type, the largest first.
std::vector<std::pair<TensorType, std::pair<int64_t, int64_t>>> totals(const WeightFiles& files) {
  std::map<TensorType, std::pair<int64_t, int64_t>> byType;
  for (const FileTensor& tensor : files.tensors()) {
    ++byType[tensor.type].first;
    byType[tensor.type].second += tensor.bytes;
  }
  std::vector<std::pair<TensorType, std::pair<int64_t, int64_t>>> all(byType.begin(), byType.end());
  std::stable_sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.second.second > b.second.second; });
  return all;
}

std::string tensorsText(const WeightFiles& files, bool all) {
  const std::vector<FileTensor>& tensors = files.tensors();
  size_t shown = all || tensors.size() <= kShownTensors ? tensors.size() : kShownTensors;
  size_t width = 6;
  for (size_t i = 0; i < shown; ++i) width = std::max(width, escapedShort(tensors[i].name).size());
  std::string out;
  if (shown > 0) out = fmt::format("\n{:<{}}  {:<7}  {:<20}  {}\n", "tensor", width, "type", "shape", "size");
  for (size_t i = 0; i < shown; ++i)
    out += fmt::format("{:<{}}  {:<7}  {:<20}  {}\n", escapedShort(tensors[i].name), width, nameOf(tensors[i].type),
                       dimensionsText(tensors[i].shape), humanBytes(static_cast<double>(tensors[i].bytes)));
  if (shown < tensors.size()) out += fmt::format("... {} more; --all shows them\n", tensors.size() - shown);
  if (!tensors.empty()) out += "\n";
  for (const auto& [type, sum] : totals(files))
    out += row(std::string(nameOf(type)).c_str(),
               fmt::format("{}, {}", counted(static_cast<size_t>(sum.first), "tensor"), humanBytes(static_cast<double>(sum.second))));
  return out;
}

/// Element i of an array of numbers as JSON.
Json numberAt(const MetadataNumbers& numbers, size_t i) {
  Metadata one("");
  auto each = static_cast<size_t>(numbers.bytesEach);
  MetadataNumbers element = numbers;
  element.bytes = numbers.bytes.substr(i * each, each);
  one.add("x", element);
  if (numbers.kind == MetadataNumbers::Kind::Float) {
    auto value = one.floats("x");
    return value ? Json((*value)[0]) : Json();
  }
  uint64_t pattern = 0;
  std::copy(element.bytes.begin(), element.bytes.end(), reinterpret_cast<char*>(&pattern));
  if (numbers.kind == MetadataNumbers::Kind::Bool) return pattern != 0;
  if (numbers.kind == MetadataNumbers::Kind::Unsigned) return pattern;
  int unused = 64 - 8 * numbers.bytesEach;
  return static_cast<int64_t>(pattern << unused) >> unused;
}

/// A value as JSON; of arrays the first elements and the count.
Json valueJson(const MetadataValue& value) {
  if (const auto* number = std::get_if<uint64_t>(&value)) return *number;
  if (const auto* number = std::get_if<int64_t>(&value)) return *number;
  if (const auto* number = std::get_if<double>(&value)) return *number;
  if (const auto* truth = std::get_if<bool>(&value)) return *truth;
  if (const auto* text = std::get_if<std::string_view>(&value)) return text->substr(0, kShownBytes);
  Json first = Json::array();
  if (const auto* arrays = std::get_if<MetadataArrays>(&value)) return {{"arrays", arrays->count}};
  if (const auto* strings = std::get_if<std::vector<std::string_view>>(&value)) {
    for (size_t i = 0; i < std::min(kShownElements, strings->size()); ++i) first.push_back((*strings)[i].substr(0, kShownBytes));
    return {{"count", strings->size()}, {"first", first}};
  }
  const auto& numbers = std::get<MetadataNumbers>(value);
  for (size_t i = 0; i < std::min(kShownElements, static_cast<size_t>(numbers.count())); ++i) first.push_back(numberAt(numbers, i));
  return {{"count", numbers.count()}, {"first", first}};
}

std::string valueText(const MetadataValue& value) {
  if (const auto* text = std::get_if<std::string_view>(&value)) return fmt::format("'{}'", escapedShort(*text));
  if (const auto* number = std::get_if<double>(&value)) return fmt::format("{:g}", *number);
  if (const auto* arrays = std::get_if<MetadataArrays>(&value)) return fmt::format("{} arrays", arrays->count);
  Json json = valueJson(value);
  const Json* first = json.find("first");
  if (first == nullptr) return compactText(json);
  std::string all;
  for (const Json& element : *first->list())
    all += fmt::format("{}{}", all.empty() ? "" : ", ",
                       element.text() != nullptr ? fmt::format("'{}'", escapedShort(*element.text())) : compactText(element));
  const std::string count = compactText(*json.find("count"));
  return fmt::format("[{}{}] ({})", all, count != std::to_string(first->list()->size()) ? ", ..." : "", count);
}

Json factsJson(const std::string& model, const ModelFacts& facts, const Target& target) {
  Json json = {{"model", model}, {"architecture", facts.architecture}, {"name", facts.name}, {"parameters", facts.parameters}};
  if (facts.context) json["context"] = *facts.context;
  for (const auto& [key, value] : sizesOf(facts))
    if (auto own = facts.layerSizes.find(key); own != facts.layerSizes.end()) json[key] = own->second;
    else if (value) json[key] = *value;
  if (!facts.tokenizer.empty()) json["tokenizer"] = facts.tokenizer;
  if (facts.tokens) json["tokens"] = *facts.tokens;
  for (const auto& [name, bytes] : facts.cacheBytes) json["kv_cache_bytes"][std::string(name)] = bytes;
  if (facts.memory)
    json["memory_bytes"] = {{"weights", facts.memory->weights}, {"kv_cache", facts.memory->cache}, {"scratch", facts.memory->scratch}};
  addArithmeticJson(json, facts, target);
  return json;
}

void addFilesJson(Json& json, const WeightFiles& files, const ModelFacts& facts) {
  json["format"] = files.format() == WeightFormat::Gguf ? "gguf" : "safetensors";
  for (const MappedFile& file : files.files()) json["files"].push_back({{"path", file.path()}, {"bytes", file.bytes()}});
  json["tensors"] = Json::array();
  for (const FileTensor& tensor : files.tensors())
    json["tensors"].push_back(
        {{"name", tensor.name}, {"type", nameOf(tensor.type)}, {"shape", tensor.shape}, {"bytes", tensor.bytes}, {"file", tensor.file}});
  json["metadata"] = Json::object();
  for (const auto& [key, value] : files.metadata().values()) json["metadata"][key] = valueJson(value);
  json["refused"] = facts.refused;
}

/// Runs the check; adds to both forms of the answer.
bool checkInto(const CommandLine& line, const WeightFiles& files, std::string& text, Json& json) {
  ProgressBar bar(wantsProgress(line), "checking", humanBytes);
  WeightCheck check =
      checkWeights(files, [&](int64_t done) { bar.show(static_cast<double>(done), static_cast<double>(files.tensorBytes())); });
  text += fmt::format("\nchecked {} values in {}: ", grouped(check.values), counted(static_cast<size_t>(check.tensors), "tensor"));
  text += check.bad.empty()
              ? "all finite\n"
              : fmt::format("{} not finite\n", check.bad.size() == 1 ? "one tensor has values that are"
                                                                     : fmt::format("{} tensors have values that are", check.bad.size()));
  for (size_t i = 0; i < check.bad.size() && i < kShownBad; ++i)
    text += fmt::format("  tensor '{}' has {} at {}{}\n", escapedShort(check.bad[i].tensor), check.bad[i].value, check.bad[i].index,
                        check.bad[i].count > 1 ? fmt::format(", and {} more", check.bad[i].count - 1) : "");
  if (check.bad.size() > kShownBad) text += fmt::format("  ... {} more tensors\n", check.bad.size() - kShownBad);
  if (!check.skipped.empty()) text += fmt::format("not checked, for their types: {}\n", counted(check.skipped.size(), "tensor"));
  json["check"] = {{"tensors", check.tensors}, {"values", check.values}, {"skipped", check.skipped}, {"not_finite", Json::array()}};
  for (const BadWeight& bad : check.bad)
    json["check"]["not_finite"].push_back(
        {{"tensor", bad.tensor}, {"index", bad.index}, {"value", fmt::format("{}", bad.value)}, {"count", bad.count}});
  return check.bad.empty();
}

Result<int> answer(const CommandLine& line, const std::string& text, const Json& json, int status) {
  if (line.has("json"))
    if (auto good = writeResult(jsonText(json), line.get("json")); !good) return good.error();
  if (line.get("json") != "-")
    if (auto good = writeResult(text); !good) return good.error();
  return status;
}

Result<int> infoOfConfig(const CommandLine& line, const std::string& model, const Target& target, const ModelAsked& asked) {
  auto config = readModelConfig(model);
  if (!config) return config.error();
  for (const std::string& key : line.all("ignore-key"))
    return badCommand(fmt::format("info: --ignore-key {}: '{}' is sizes with random weights", escaped(key), escaped(model)));
  if (line.has("lora")) return badCommand(fmt::format("info: --lora needs weights; '{}' is sizes with random weights", escaped(model)));
  if (line.has("check")) return badCommand(fmt::format("info: --check needs weights; '{}' is sizes with random weights", escaped(model)));
  ModelFacts facts = factsOf(*config, target, asked);
  Json json = factsJson(model, facts, target);
  json["format"] = "config";
  std::string head = row("model", escapedShort(model)) + row("format", "sizes, with random weights") + headText(facts);
  return answer(line, head + cacheText(facts) + memoryText(facts, asked) + arithmeticText(facts, target), json, 0);
}

Result<int> infoOfFiles(const CommandLine& line, const std::string& model, const Target& target, const ModelAsked& asked) {
  auto files = openFilesOf(line);
  if (!files) return files.error();
  ModelFacts facts = factsOf(*files, target, asked);
  int64_t bytes = 0;
  for (const MappedFile& file : files->files()) bytes += file.bytes();
  std::string format = files->format() == WeightFormat::Gguf
                           ? fmt::format("GGUF version {}, aligned to {}", files->ggufVersion(), files->alignment())
                           : "safetensors";
  std::string text =
      row("model", escapedShort(model)) +
      row("format", fmt::format("{}, {}, {}", format, counted(files->files().size(), "file"), humanBytes(static_cast<double>(bytes))));
  text += headText(facts);
  if (facts.adapted != 0) text += row("adapters", fmt::format("{}, {} numbers", join(line.all("lora"), ", "), grouped(facts.adapted)));
  text += cacheText(facts) + memoryText(facts, asked) + arithmeticText(facts, target) + tensorsText(*files, line.has("all"));
  Json json = factsJson(model, facts, target);
  if (line.has("json")) addFilesJson(json, *files, facts);  // large where there are many tensors
  if (!files->metadata().values().empty()) text += "\nmetadata\n";
  for (const auto& [key, value] : files->metadata().values()) text += fmt::format("  {} = {}\n", escapedShort(key), valueText(value));
  if (!facts.refused.empty()) text += "\nwould be refused\n";
  for (const std::string& reason : facts.refused) text += fmt::format("  {}\n", reason);
  bool finite = !line.has("check") || checkInto(line, *files, text, json);
  if (auto good = files->checkUnchanged(); !good) return good.error();
  return answer(line, text, json, finite ? 0 : 1);
}

/// --context, --kv and --lora.
Result<ModelAsked> askedOf(const CommandLine& line) {
  ModelAsked asked;
  auto context = line.number("context", 0, int64_t{1} << 24);
  if (!context) return context.error();
  auto kv = kvTypeNamed(line.get("kv"));
  if (!kv) return kv.error();
  for (const std::string& given : line.all("lora")) {
    auto adapter = adapterNamed(given);
    if (!adapter) return adapter.error();
    asked.adapters.push_back(std::move(*adapter));
  }
  asked.options.context = *context, asked.options.kvType = *kv, asked.options.threads = usableCpus();
  return asked;
}

}  // namespace

static Result<int> runInfo(std::vector<std::string> args) {
  CommandLine line(kInfoInfo, std::move(args));
  modelFlag(line.common({"cpu", "json"}), "a .gguf file, a folder with config.json and *.safetensors, or a name in configs/models");
  line.value("context", "N", "0", "positions of the KV cache (default: the model's own)", 'c');
  line.value("kv", "TYPE", "f32", "what the KV cache keeps: f32, f16, bf16 or q8");
  line.list("lora", "FILE[:SCALE]", "an adapter on top of the model: PEFT's folder or a GGUF file (again for more)");
  line.toggle("check", "reads every weight and reports NaN and Inf").toggle("all", "every tensor, however many");
  auto go = ready(line);
  if (!go || !*go) return go ? Result<int>(0) : Result<int>(go.error());
  if (!line.words().empty())
    return badCommand(fmt::format("info: takes no words; --model {} names a model", escapedShort(line.words().front())));
  std::string model = line.get("model");
  if (model.empty()) return badCommand("info: --model M is missing");
  auto target = targetOf(line, false);
  if (!target) return target.error();
  auto asked = askedOf(line);
  if (!asked) return asked.error();
  return namesModelFiles(model) ? infoOfFiles(line, model, *target, *asked) : infoOfConfig(line, model, *target, *asked);
}

Command infoCommand() { return {kInfoInfo, runInfo}; }

}  // namespace quern
