// compiler/target/Target.cpp — see Target.h.
#include "compiler/target/Target.h"

#include "compiler/base/Check.h"
#include "compiler/base/Text.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>

namespace quern {

static constexpr std::array<IsaLevel, 5> kLevels = {{
    {"x86-64", "x86_64", "x86-64", "generic", 128, 16, false, false, false, false, LaneMasks::None, "sse2"},
    {"x86-64-v2", "x86_64", "x86-64-v2", "generic", 128, 16, false, false, false, true, LaneMasks::None, "sse2,sse4.2"},
    {"x86-64-v3", "x86_64", "x86-64-v3", "haswell", 256, 16, true, true, false, true, LaneMasks::Memory, "avx2,bmi2,f16c,fma,sse2,sse4.2"},
    {"x86-64-v4", "x86_64", "x86-64-v4", "sapphirerapids", 512, 32, true, true, true, true, LaneMasks::Full,
     "avx2,avx512bw,avx512cd,avx512dq,avx512f,avx512vl,bmi2,f16c,fma,sse2,sse4.2"},
    {"aarch64", "aarch64", "generic", "neoverse-v1", 128, 32, true, true, false, false, LaneMasks::None, "neon"},
}};

// Sorted.
static constexpr std::array<std::string_view, 25> kFeatureNames = {
    "amx-bf16", "amx-int8",   "amx-tile",   "avx",      "avx2",        "avx512bf16", "avx512bw", "avx512cd", "avx512dq",
    "avx512f",  "avx512fp16", "avx512vbmi", "avx512vl", "avx512vnni",  "avxvnni",    "bmi2",     "dotprod",  "f16c",
    "fma",      "gfni",       "i8mm",       "neon",     "prefetchwt1", "sse2",       "sse4.2"};

bool isFeature(std::string_view name) { return std::binary_search(kFeatureNames.begin(), kFeatureNames.end(), name); }

std::span<const IsaLevel> isaLevels() { return kLevels; }

const IsaLevel* findIsaLevel(std::string_view name) {
  auto found = std::find_if(kLevels.begin(), kLevels.end(), [&](const IsaLevel& level) { return level.name == name; });
  return found == kLevels.end() ? nullptr : &*found;
}

const IsaLevel& Target::isa() const {
  const IsaLevel* found = findIsaLevel(level);
  QUERN_CHECK_FOR(found != nullptr, level);
  return *found;
}

std::vector<std::string> Target::allFeatures() const {
  std::vector<std::string> all = split(isa().requires_, ',');
  all.insert(all.end(), features.begin(), features.end());
  std::sort(all.begin(), all.end());
  all.erase(std::unique(all.begin(), all.end()), all.end());
  return all;
}

std::vector<std::string> Target::lackingFor(const Target& needed) const {
  std::vector<std::string> lacking, have = allFeatures();
  if (needed.isa().arch != isa().arch) lacking.emplace_back(needed.isa().arch);
  for (const std::string& feature : needed.allFeatures())
    if (!std::binary_search(have.begin(), have.end(), feature)) lacking.push_back(feature);
  return lacking;
}

std::string text(const Target& target) {
  std::string out = fmt::format("{} level={}", target.name, target.level);
  if (!target.features.empty()) out += " features=" + join(target.features, ",");
  out += fmt::format(" l1={} l2={} l3={}", target.l1Bytes, target.l2Bytes, target.l3Bytes);
  if (!target.model.empty()) out += " model=" + quotedIfNeeded(target.model);
  return out;
}

Result<Target> targetFromKeys(const KeyValues& keys) {
  KeyReader reader(keys, "cpu " + keys.head);
  std::vector<std::string> levels;
  for (const IsaLevel& level : kLevels) levels.emplace_back(level.name);
  Target target;
  target.name = keys.head;
  if (!reader.has("level")) reader.fail(fmt::format("level= is missing; levels: {}", join(levels, " ")));
  target.level = levels[reader.takeChoice("level", levels)];
  if (auto list = reader.take("features"); list && !list->empty()) target.features = split(*list, ',');
  std::sort(target.features.begin(), target.features.end());
  for (const std::string& feature : target.features)
    if (!isFeature(feature))
      reader.fail(fmt::format("features={}: no such feature; features: {}", escapedShort(feature), fmt::join(kFeatureNames, " ")));
  constexpr int64_t kHuge = int64_t{1} << 40;
  target.l1Bytes = reader.takeInt("l1", target.l1Bytes, 1024, kHuge);
  target.l2Bytes = reader.takeInt("l2", target.l2Bytes, 1024, kHuge);
  target.l3Bytes = reader.takeInt("l3", target.l3Bytes, 1024, kHuge);
  target.model = reader.takeOr("model", "");
  if (auto good = reader.finish(); !good) return good.error();
  return target;
}

Result<Target> parseTarget(std::string_view text) {
  auto keys = parseKeyValues(text, "cpu", true);
  if (!keys) return keys.error();
  return targetFromKeys(*keys);
}

}  // namespace quern
