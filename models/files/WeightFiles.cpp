// models/files/WeightFiles.cpp — see WeightFiles.h.
#include "models/files/WeightFiles.h"

#include "compiler/base/Files.h"
#include "compiler/base/Text.h"
#include "models/files/FolderPath.h"
#include "models/files/Gguf.h"
#include "models/files/Safetensors.h"

#include <algorithm>
#include <fmt/format.h>
#include <sys/stat.h>

namespace quern {

static bool isFolder(const std::string& path) {
  struct stat info{};
  return ::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

static bool isFile(const std::string& path) {
  struct stat info{};
  return ::stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode);
}

std::string tokenizerFileIn(const std::string& folder) {
  for (const char* name : {"tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt"}) {
    bool whole = name != std::string_view("vocab.json") || isFile(pathIn(folder, "merges.txt"));
    if (whole && isFile(pathIn(folder, name))) return pathIn(folder, name);
  }
  return "";
}

Result<WeightFiles> WeightFiles::open(const std::string& path) {
  WeightFiles out;
  out.path_ = path;
  auto good = isFolder(path) ? out.openFolder(path) : out.openGguf(path);
  if (!good) return good.error();
  if (auto named = out.index(); !named) return named.error();
  return out;
}

/// The object that a small file of a folder holds.
static Result<std::unique_ptr<JsonValue>> objectIn(const std::string& path) {
  auto file = MappedFile::open(path);
  if (!file) return file.error();
  auto tree = parseJson({file->text(), path});
  if (!tree) return tree.error();
  if (tree->as<JsonObject>() == nullptr) return badInput(fmt::format("{}: is {}, an object is needed", escapedShort(path), tree->kind()));
  return std::make_unique<JsonValue>(std::move(*tree));
}

Result<void> WeightFiles::openFolder(const std::string& folder) {
  format_ = WeightFormat::Safetensors;
  configPath_ = pathIn(folder, "config.json");
  auto config = objectIn(configPath_);
  if (!config) return config.error();
  config_ = std::move(*config);
  auto beside = [&](const char* name) { return isFile(pathIn(folder, name)) ? pathIn(folder, name) : ""; };
  tokenizerPath_ = tokenizerFileIn(folder);
  tokenizerConfigPath_ = beside("tokenizer_config.json");
  generationPath_ = beside("generation_config.json");
  smallFiles_ = {configPath_, tokenizerPath_, tokenizerConfigPath_, generationPath_, beside("special_tokens_map.json")};
  if (!tokenizerPath_.ends_with("tokenizer.json"))
    for (const char* name : {"merges.txt", "added_tokens.json"}) smallFiles_.push_back(beside(name));
  std::erase(smallFiles_, "");
  auto shards = safetensorsShards(folder);
  if (!shards) return shards.error();
  if (!shards->remark.empty()) remarks_.push_back(shards->remark);
  for (const std::string& name : shards->names)
    if (auto good = addShard(folder, name); !good) return good;
  return checkAgainstIndex(folder, *shards, tensors_);
}

Result<void> WeightFiles::addShard(const std::string& folder, const std::string& name) {
  auto file = MappedFile::open(pathIn(folder, name));
  if (!file) return file.error();
  auto tensors = parseSafetensors(file->text(), file->path());
  if (!tensors) return tensors.error();
  if (auto good = checkCount(folder, tensors->size()); !good) return good;
  for (FileTensor& tensor : *tensors) tensor.file = static_cast<int>(files_.size());
  std::move(tensors->begin(), tensors->end(), std::back_inserter(tensors_));
  files_.push_back(std::move(*file));
  return {};
}

static constexpr std::string_view kPeftWeights = "adapter_model.safetensors", kPeftPickle = "adapter_model.bin";

Result<WeightFiles> WeightFiles::openAdapter(const std::string& path) {
  WeightFiles out;
  out.path_ = path;
  bool named = std::string_view(path).ends_with(".safetensors");
  size_t slash = path.rfind('/');
  if (named && path.substr(slash == std::string::npos ? 0 : slash + 1) != kPeftWeights)
    return badInput(fmt::format("{}: {} is needed, as PEFT names it, or the folder that it lies in, or a .gguf file", escapedShort(path),
                                kPeftWeights));
  auto good = named            ? out.openPeft(slash == std::string::npos ? "." : path.substr(0, slash + 1))
              : isFolder(path) ? out.openPeft(path)
                               : out.openGguf(path);
  if (!good) return good.error();
  if (auto indexed = out.index(); !indexed) return indexed.error();
  return out;
}

Result<void> WeightFiles::openPeft(const std::string& folder) {
  format_ = WeightFormat::Safetensors;
  configPath_ = pathIn(folder, "adapter_config.json");
  bool pickled = !isFile(pathIn(folder, kPeftWeights)) && isFile(pathIn(folder, kPeftPickle));
  if (pickled)
    return badInput(fmt::format("{}: is a pickle of PyTorch's, which is not read: {} is needed (save_pretrained with safe_serialization)",
                                escapedShort(pathIn(folder, kPeftPickle)), kPeftWeights));
  auto config = objectIn(configPath_);
  if (!config) return config.error();
  config_ = std::move(*config);
  smallFiles_ = {configPath_};
  return addShard(folder, std::string(kPeftWeights));
}

/// Whether `more` tensors may join those that are there.
Result<void> WeightFiles::checkCount(const std::string& path, size_t more) const {
  if (tensors_.size() + more <= static_cast<size_t>(kMostTensors)) return {};
  return badInput(fmt::format("{}: has more than {} tensors", escapedShort(path), kMostTensors));
}

/// Takes `key` out of an object; behind a dot stands a key of an object inside.
static bool removeKey(JsonValue& from, std::string_view key) {
  auto* object = std::get_if<JsonObject>(&from.value);
  if (object == nullptr) return false;
  if (std::erase_if(*object, [&](const auto& field) { return field.first == key; }) != 0) return true;
  for (auto& [name, inner] : *object)
    if (key.starts_with(name + ".") && removeKey(inner, key.substr(name.size() + 1))) return true;
  return false;
}

Result<void> WeightFiles::ignoreKeys(std::span<const std::string> keys) {
  for (const std::string& key : keys) {
    bool gguf = format_ == WeightFormat::Gguf;
    std::vector<std::string> known;
    if (gguf)
      for (const auto& [name, value] : metadata_.values()) known.push_back(name);
    else
      for (const auto& [name, value] : *config_->as<JsonObject>()) known.push_back(name);
    if (!(gguf ? metadata_.remove(key) : removeKey(*config_, key)))
      return badCommand(fmt::format("--ignore-key {}: {} has no such key{}", escaped(key), escapedShort(gguf ? path_ : configPath_),
                                    didYouMean(key, known)));
    remarks_.push_back(fmt::format("{}: '{}' is ignored, as --ignore-key says: the result may be another",
                                   escapedShort(gguf ? path_ : configPath_), escapedShort(key)));
  }
  return {};
}

/// "-00001-of-00003.gguf"
static std::string shardEnding(int64_t number, int64_t count) { return fmt::format("-{:05}-of-{:05}.gguf", number, count); }

/// What a file of a split model says of itself.
struct SplitKeys {
  int64_t number = 0, count = 1, tensors = -1;
};

static Result<SplitKeys> splitKeys(const Metadata& metadata) {
  SplitKeys keys;
  auto number = metadata.integer("split.no", 0, 99'998);
  if (!number) return number.error();
  auto count = metadata.integer("split.count", 0, 99'999);
  if (!count) return count.error();
  auto tensors = metadata.integer("split.tensors.count", 0, INT32_MAX);
  if (!tensors) return tensors.error();
  return SplitKeys{number->value_or(0), count->value_or(1), tensors->value_or(-1)};
}

/// Whether the file that was named is a whole model, or the first part of one under the name that this has.
static Result<void> checkFirst(const std::string& path, const SplitKeys& split) {
  if (split.count <= 1) return {};
  std::string ending = shardEnding(1, split.count);
  if (split.number != 0)
    return badInput(fmt::format("{}: is file {} of {} of a split model: name the first, *{}", escapedShort(path), split.number + 1,
                                split.count, ending));
  if (!path.ends_with(ending))
    return badInput(
        fmt::format("{}: is the first of {} files of a split model: its name must end in '{}'", escapedShort(path), split.count, ending));
  return {};
}

/// Whether a further file is part `number` (from 0 on) of the same model.
static Result<void> checkFurther(const std::string& name, const SplitKeys& keys, const SplitKeys& first, int64_t number) {
  if (keys.count != first.count)
    return badInput(
        fmt::format("{}: metadata 'split.count' is {}, in the first file it is {}", escapedShort(name), keys.count, first.count));
  if (keys.number != number)
    return badInput(fmt::format("{}: metadata 'split.no' is {}, {} is needed in file {} of {}", escapedShort(name), keys.number, number,
                                number + 1, first.count));
  return {};
}

Result<void> WeightFiles::openGguf(const std::string& path) {
  SplitKeys split;
  for (int64_t number = 0; number == 0 || number < split.count; ++number) {
    std::string name = path;
    if (number > 0) name = path.substr(0, path.size() - shardEnding(1, split.count).size()) + shardEnding(number + 1, split.count);
    struct stat info{};
    if (number > 0 && ::stat(name.c_str(), &info) != 0)
      return badInput(fmt::format("{}: is missing: file {} of the {} that '{}' is split into", escapedShort(name), number + 1, split.count,
                                  escapedShort(path)));
    auto file = MappedFile::open(name);
    if (!file) return file.error();
    auto gguf = parseGguf(file->text(), name);
    if (!gguf) return gguf.error();
    auto keys = splitKeys(gguf->metadata);
    if (!keys) return keys.error();
    if (auto good = number == 0 ? checkFirst(path, *keys) : checkFurther(name, *keys, split, number); !good) return good;
    if (number == 0) {
      split = *keys;
      metadata_ = std::move(gguf->metadata);
      ggufVersion_ = gguf->version;
      alignment_ = gguf->alignment;
    }
    if (auto good = checkCount(path, gguf->tensors.size()); !good) return good;
    for (FileTensor& tensor : gguf->tensors) tensor.file = static_cast<int>(number);
    std::move(gguf->tensors.begin(), gguf->tensors.end(), std::back_inserter(tensors_));
    files_.push_back(std::move(*file));
  }
  if (split.count > 1 && split.tensors >= 0 && split.tensors != static_cast<int64_t>(tensors_.size()))
    return badInput(fmt::format("{}: metadata 'split.tensors.count' is {}, the {} files have {} together", escapedShort(path),
                                split.tensors, split.count, counted(tensors_.size(), "tensor")));
  return {};
}

Result<void> WeightFiles::index() {
  byName_ = sortedByName(tensors_);
  for (size_t i = 1; i < byName_.size(); ++i) {
    const FileTensor &a = tensors_[byName_[i - 1]], &b = tensors_[byName_[i]];
    if (a.name == b.name)
      return badInput(fmt::format("{}: tensor '{}' is in '{}' too", escapedShort(files_[static_cast<size_t>(b.file)].path()),
                                  escapedShort(b.name), escapedShort(files_[static_cast<size_t>(a.file)].path())));
  }
  return {};
}

Result<void> WeightFiles::addAbsent(std::vector<FileTensor> tensors) {
  if (auto good = checkCount(path_, tensors.size()); !good) return good;
  for (FileTensor& tensor : tensors) tensor.file = 0, tensor.data = nullptr;
  std::move(tensors.begin(), tensors.end(), std::back_inserter(tensors_));
  return index();
}

const FileTensor* WeightFiles::find(std::string_view name) const {
  auto at = std::lower_bound(byName_.begin(), byName_.end(), name,
                             [&](uint32_t i, std::string_view wanted) { return tensors_[i].name < wanted; });
  return at == byName_.end() || tensors_[*at].name != name ? nullptr : &tensors_[*at];
}

int64_t WeightFiles::tensorBytes() const {
  int64_t all = 0;
  for (const FileTensor& tensor : tensors_) all += tensor.bytes;  // each lies in a file, without overlap
  return all;
}

Result<void> WeightFiles::checkUnchanged() const {
  for (const MappedFile& file : files_)
    if (auto good = file.checkUnchanged(); !good) return good;
  return {};
}

void WeightFiles::drop(const FileTensor& tensor) const {
  if (tensor.data == nullptr) return;
  files_[static_cast<size_t>(tensor.file)].drop(tensor.offset, tensor.bytes);
}

}  // namespace quern
