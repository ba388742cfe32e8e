// compiler/target/Contract.cpp — see Contract.h.
#include "compiler/target/Contract.h"

#include "compiler/base/Check.h"
#include "compiler/base/Text.h"

#include <algorithm>
#include <fmt/format.h>

namespace quern {

const IsaLevel& Contract::isa() const {
  const IsaLevel* found = findIsaLevel(level);
  QUERN_CHECK_FOR(found != nullptr, level);
  return *found;
}

bool Contract::has(std::string_view feature) const { return std::find(features.begin(), features.end(), feature) != features.end(); }

std::string Contract::llvmFeatures() const {
  std::string all;
  for (const std::string& each : features) all += (all.empty() ? "+" : ",+") + each;
  return all;
}

std::vector<std::string> Contract::lackingOn(const Target& host) const {
  Target needed;
  needed.level = level;
  needed.features = features;
  return host.lackingFor(needed);
}

std::string text(const Contract& contract) {
  std::string all = contract.level;
  for (const std::string& each : contract.features) all += " + " + each;
  return all;
}

Result<Contract> parseContract(std::string_view text) {
  Contract contract;
  std::vector<std::string> parts = split(text, '+');
  for (std::string& part : parts) part = std::string(trim(part));
  auto wrong = [&](std::string_view part, std::string_view needed) {
    return badInput(fmt::format("contract '{}': '{}' is no {}", escapedShort(text), escapedShort(part), needed));
  };
  if (findIsaLevel(parts[0]) == nullptr) {
    std::string levels;
    for (const IsaLevel& level : isaLevels()) levels += fmt::format("{}{}", levels.empty() ? "" : " ", level.name);
    return wrong(parts[0], "base level; levels: " + levels);
  }
  contract.level = parts[0];
  contract.features.assign(parts.begin() + 1, parts.end());
  std::sort(contract.features.begin(), contract.features.end());
  for (size_t i = 0; i < contract.features.size(); ++i) {
    const std::string& feature = contract.features[i];
    if (!isFeature(feature)) return wrong(feature, "feature; they have LLVM's names, such as avx512vnni");
    if (i > 0 && contract.features[i - 1] == feature)
      return badInput(fmt::format("contract '{}' names {} twice; once is right", escapedShort(text), feature));
  }
  return contract;
}

}  // namespace quern
