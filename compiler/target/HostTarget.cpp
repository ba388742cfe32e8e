// compiler/target/HostTarget.cpp — see HostTarget.h.
#include "compiler/target/HostTarget.h"

#include "compiler/base/Files.h"
#include "compiler/base/Text.h"
#include "compiler/base/Toml.h"
#include "compiler/target/CpuCaches.h"
#include "compiler/target/CpuFeatures.h"

#include <algorithm>
#include <fmt/format.h>

namespace quern {

static Target probed() {
  Target host;
  host.name = "host";
  std::vector<std::string> have = reportedFeatures();
  for (const IsaLevel& level : isaLevels()) {
    if (level.arch != hostArch()) continue;
    std::vector<std::string> needed = split(level.requires_, ',');
    bool all = std::all_of(needed.begin(), needed.end(),
                           [&](const std::string& f) { return std::find(have.begin(), have.end(), f) != have.end(); });
    if (all) host.level = level.name;
  }
  std::vector<std::string> implied = split(host.isa().requires_, ',');
  for (const std::string& feature : have)
    if (std::find(implied.begin(), implied.end(), feature) == implied.end()) host.features.push_back(feature);
  std::sort(host.features.begin(), host.features.end());
  host.l1Bytes = dataCacheBytes(1).value_or(host.l1Bytes);
  host.l2Bytes = dataCacheBytes(2).value_or(host.l2Bytes);
  host.l3Bytes = dataCacheBytes(3).value_or(host.l3Bytes);
  host.model = cpuModelName();
  return host;
}

Target hostTarget() {
  static const Target host = probed();  // CPUID takes tens of microseconds where a hypervisor answers it
  return host;
}

std::vector<Target> levelsWithin(const Target& target) {
  std::vector<Target> levels;
  for (const char* name : {"x86-64", "x86-64-v3", "x86-64-v4"})
    if (auto level = findTarget(name); level && target.lackingFor(*level).empty()) levels.push_back(std::move(*level));
  return levels;
}

Result<Target> targetFromToml(const TomlValue& root, const std::string& file) {
  TomlReader reader(root, file);
  KeyValues keys;
  keys.head = file.substr(file.rfind('/') + 1);
  keys.head = keys.head.substr(0, keys.head.rfind(".toml"));
  if (auto name = reader.takeString("name")) keys.head = *name;
  for (const char* key : {"level", "model"})
    if (auto value = reader.takeString(key)) keys.set(key, *value);
  if (auto features = reader.takeStrings("features"); !features.empty()) keys.set("features", join(features, ","));
  const std::pair<const char*, const char*> sizes[] = {{"l1_bytes", "l1"}, {"l2_bytes", "l2"}, {"l3_bytes", "l3"}};
  for (auto [field, key] : sizes)
    if (root.find(field) != nullptr) keys.set(key, std::to_string(reader.takeInt(field, std::nullopt, 1024, int64_t{1} << 40)));
  if (auto good = reader.finish(); !good) return good.error();
  auto target = targetFromKeys(keys);
  if (!target) return badInput(fmt::format("{}:1:1: {}", escaped(file), target.error().message));
  return target;
}

/// "host -avx512vnni -gfni": a target without some of its features. A level's own stay: it is the code's.
static Result<Target> masked(const std::string& text) {
  std::vector<std::string> words = split(text, ' ');
  std::erase(words, "");
  auto target = findTarget(words[0]);
  if (!target) return target;
  for (size_t i = 1; i < words.size(); ++i) {
    std::string_view feature = std::string_view(words[i]).substr(std::min<size_t>(1, words[i].size()));
    std::vector<std::string> levels = split(target->isa().requires_, ',');
    if (!words[i].starts_with("-") || !isFeature(feature))
      return badCommand(fmt::format("cpu '{}': '{}' is no feature to leave out, such as -avx512vnni", escaped(text), escaped(words[i])));
    if (std::find(levels.begin(), levels.end(), feature) != levels.end())
      return badCommand(fmt::format("cpu '{}': {} is part of {}; a lower level leaves it out", escaped(text), feature, target->level));
    std::erase(target->features, feature);
  }
  target->name = join(words, "");
  return target;
}

Result<Target> findTarget(const std::string& nameOrFile) {
  if (nameOrFile.find(" -") != std::string::npos) return masked(nameOrFile);
  if (nameOrFile == "host") return hostTarget();
  auto path = findConfig("cpu", nameOrFile);
  if (!path) {
    std::vector<std::string> known = configNames("cpu");
    return badCommand(fmt::format("unknown cpu '{}'{}; known: host, {}; or a TOML file", escaped(nameOrFile), didYouMean(nameOrFile, known),
                                  join(known, ", ")));
  }
  auto root = readToml(*path);
  if (!root) return root.error();
  return targetFromToml(*root, *path);
}

std::string targetToml(const Target& target) {
  std::vector<std::string> quoted;
  for (const std::string& feature : target.features) quoted.push_back(tomlQuoted(feature));
  std::string out =
      fmt::format("name = {}\nlevel = {}\nfeatures = [{}]\nl1_bytes = {}\nl2_bytes = {}\nl3_bytes = {}\n", tomlQuoted(target.name),
                  tomlQuoted(target.level), join(quoted, ", "), target.l1Bytes, target.l2Bytes, target.l3Bytes);
  if (!target.model.empty()) out += fmt::format("model = {}\n", tomlQuoted(target.model));
  return out;
}

Result<Target> findRunnableTarget(const std::string& nameOrFile) {
  auto target = findTarget(nameOrFile);
  if (!target) return target;
  Target host = hostTarget();
  std::vector<std::string> lacking = host.lackingFor(*target);
  if (!lacking.empty())
    return machineLacks(fmt::format("--cpu {}: this machine lacks {}; `quern cpu` says what it has", target->name, join(lacking, ", ")));
  if (target->model.empty()) target->model = host.model;
  return target;
}

}  // namespace quern
