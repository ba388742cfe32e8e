// models/files/SafetensorsFolder.cpp — the folders of Safetensors.h: which files, and whether the index tells the truth.
#include "compiler/base/Text.h"
#include "models/files/FolderPath.h"
#include "models/files/Json.h"
#include "models/files/MappedFile.h"
#include "models/files/Safetensors.h"

#include "compiler/base/Files.h"

#include <algorithm>
#include <fmt/format.h>
#include <map>
#include <sys/stat.h>

namespace quern {

static constexpr const char* kIndexName = "model.safetensors.index.json";
static constexpr const char* kModelName = "model.safetensors";

static bool exists(const std::string& path) {
  struct stat info{};
  return ::lstat(path.c_str(), &info) == 0;
}

/// What lies beside a model: adapters that training left, the same weights in their maker's own layout.
static bool besideModel(const std::string& name) { return name.starts_with("adapter_") || name.starts_with("consolidated"); }

/// The folder's own file without an index.
static Result<SafetensorsShards> onlyFile(const std::string& folder) {
  auto bad = [&](const std::string& why) { return badInput(fmt::format("{}: {}", escapedShort(folder), why)); };
  std::vector<std::string> found, beside, pickles, ggufs;
  for (const std::string& name : listDirectory(folder)) {
    if (name.ends_with(".safetensors")) (besideModel(name) ? beside : found).push_back(name);
    if (name.ends_with(".bin") || name.ends_with(".pt") || name.ends_with(".pth")) pickles.push_back(name);
    if (name.ends_with(".gguf")) ggufs.push_back(name);
  }
  if (found.size() == 1) return SafetensorsShards{found, "", {}};
  if (found.empty() && !beside.empty())
    return bad(fmt::format("has no model.safetensors; '{}' is {}", escapedShort(beside.front()),
                           beside.front().starts_with("adapter_") ? "an adapter, which needs the model it was made for"
                                                                  : "a model in another layout: convert it to model.safetensors or GGUF"));
  if (found.size() > 1)
    return bad(fmt::format("has {} *.safetensors files ({}, ...) but no {}, which says what is in which", found.size(),
                           escapedShort(found.front()), kIndexName));
  if (!ggufs.empty()) return bad(fmt::format("has no *.safetensors file; to use '{}' name the file itself", escapedShort(ggufs.front())));
  if (!pickles.empty())
    return bad(
        fmt::format("has no *.safetensors file; '{}' looks like PyTorch's: convert it to safetensors", escapedShort(pickles.front())));
  return bad("has no *.safetensors file");
}

/// A file name that leads nowhere else.
static bool plainName(const std::string& name) {
  return name.ends_with(".safetensors") && name.find('/') == std::string::npos && name.find('\0') == std::string::npos &&
         name.size() <= 255;
}

/// weight_map: tensor to file, in the index's order; the files are counted as they appear.
static Result<SafetensorsShards> readIndex(const std::string& path) {
  auto bad = [&](const std::string& why) { return badInput(fmt::format("{}: {}", escapedShort(path), why)); };
  auto file = MappedFile::open(path);
  if (!file) return file.error();
  if (file->bytes() > kIndexJsonBytes) return bad(fmt::format("has {} bytes, at most {} are read", file->bytes(), kIndexJsonBytes));
  SafetensorsShards shards;
  shards.index = path;
  std::map<std::string, int> places;
  std::vector<JsonPick> picks;
  picks.push_back({"weight_map.*", [&](const JsonPlace& place, JsonValue&& value) -> Result<void> {
                     const auto* name = value.as<std::string>();
                     if (place.index >= 0) return bad("'weight_map' is an array, an object is needed");
                     if (name == nullptr) return bad(fmt::format("'{}' is {}, a file's name is needed", place.text(), value.kind()));
                     if (!plainName(*name))
                       return bad(
                           fmt::format("tensor '{}' is said to be in '{}', a plain name of a *.safetensors file beside the index is needed",
                                       escapedShort(place.key()), escapedShort(*name)));
                     auto [at, isNew] = places.try_emplace(*name, static_cast<int>(shards.names.size()));
                     if (isNew) shards.names.push_back(*name);
                     if (static_cast<int64_t>(shards.names.size()) > kMostShards)
                       return bad(fmt::format("names more than {} files", kMostShards));
                     shards.where.emplace_back(place.key(), at->second);
                     return {};
                   }});
  if (auto good = pickJson({file->text(), path}, picks); !good) return good.error();
  if (shards.where.empty()) return bad("has no 'weight_map' with tensors in it");
  return shards;
}

/// Files in the order of their names, and the map sorted by tensor.
static void sortShards(SafetensorsShards& shards) {
  std::vector<std::string> sorted = shards.names;
  std::sort(sorted.begin(), sorted.end());
  std::vector<int> newPlace;
  for (const std::string& name : shards.names)
    newPlace.push_back(static_cast<int>(std::lower_bound(sorted.begin(), sorted.end(), name) - sorted.begin()));
  for (auto& [tensor, file] : shards.where) file = newPlace[static_cast<size_t>(file)];
  std::sort(shards.where.begin(), shards.where.end());
  shards.names = std::move(sorted);
}

Result<SafetensorsShards> safetensorsShards(const std::string& folder) {
  std::string path = pathIn(folder, kIndexName);
  if (exists(pathIn(folder, kModelName))) {
    SafetensorsShards whole{{kModelName}, "", {}};
    if (!exists(path)) return whole;
    auto shards = readIndex(path);
    bool named = shards && std::find(shards->names.begin(), shards->names.end(), kModelName) != shards->names.end();
    if (named) return sortShards(*shards), shards;
    whole.remark = fmt::format("{}: passed over: it does not name {}, which is the model", escapedShort(path), kModelName);
    return whole;
  }
  if (!exists(path)) return onlyFile(folder);
  auto shards = readIndex(path);
  if (!shards) return shards;
  sortShards(*shards);
  for (const std::string& name : shards->names)
    if (!exists(pathIn(folder, name)))
      return badInput(fmt::format("{}: is missing, {} names it", escapedShort(pathIn(folder, name)), kIndexName));
  return shards;
}

Result<void> checkAgainstIndex(const std::string& folder, const SafetensorsShards& shards, std::span<const FileTensor> tensors) {
  if (shards.index.empty()) return {};
  std::vector<uint32_t> order = sortedByName(tensors);
  auto shardPath = [&](int file) { return escapedShort(pathIn(folder, shards.names[static_cast<size_t>(file)])); };
  auto listed = shards.where.begin();
  auto missing = [&](const std::pair<std::string, int>& entry) {
    return badInput(
        fmt::format("{}: tensor '{}' is missing, {} says it is there", shardPath(entry.second), escapedShort(entry.first), kIndexName));
  };
  for (uint32_t i : order) {
    const FileTensor& tensor = tensors[i];
    if (listed != shards.where.end() && listed->first < tensor.name) return missing(*listed);
    if (listed == shards.where.end() || listed->first != tensor.name)
      return badInput(
          fmt::format("{}: tensor '{}' is there, {} does not list it", shardPath(tensor.file), escapedShort(tensor.name), kIndexName));
    if (listed->second != tensor.file) return missing(*listed);
    ++listed;
  }
  if (listed != shards.where.end()) return missing(*listed);
  return {};
}

}  // namespace quern
