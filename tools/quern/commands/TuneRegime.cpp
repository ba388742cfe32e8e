// tools/quern/commands/TuneRegime.cpp — see TuneRegime.h.
#include "tools/quern/commands/TuneRegime.h"

#include "compiler/base/Text.h"
#include "compiler/target/UsableCpus.h"
#include "tools/quern/bench/PoolRunner.h"

#include <algorithm>
#include <fmt/format.h>

namespace quern {

void regimeFlags(CommandLine& line) {
  line.value("at", "SIZES", "", "of OP: the sizes of its calls and how often each, as \"m=1 x8, m=32\"; they are timed as that mix")
      .value("cache-state", "STATE", "", "hot: the same weights in every call; cold-weights: out of the caches, as in a large model");
}

/// "m=1 kv=25 x8": every run-time dimension of the op once.
static Result<SizePoint> parseSize(std::string_view given, const std::vector<std::string>& names) {
  auto wrong = [&](const std::string& why) {
    std::string example;
    for (const std::string& name : names) example += name + "=32 ";
    return badCommand(fmt::format("tune: --at '{}': {}; a size is such as '{}x3', x3: three times as often", escaped(given), why, example));
  };
  SizePoint size;
  for (const std::string& word : split(std::string(trim(given)), ' ')) {
    if (word.empty()) continue;
    size_t equals = word.find('=');
    if (equals == std::string::npos && word[0] == 'x') {
      auto weight = parseDouble(std::string_view(word).substr(1));
      if (!weight || !(*weight > 0) || *weight > 1e6) return wrong(fmt::format("'{}' is not how often", escaped(word)));
      size.weight = *weight;
      continue;
    }
    std::string name = word.substr(0, equals);
    int64_t count = equals == std::string::npos ? 0 : parseInt(word.substr(equals + 1)).value_or(0);
    if (std::find(names.begin(), names.end(), name) == names.end())
      return wrong(names.empty() ? "the op leaves no dimension open (*)"
                                 : fmt::format("'{}' is not {}", escaped(name), join(names, " or ")));
    if (count < 1 || count > (int64_t{1} << 40)) return wrong(fmt::format("'{}': a count is needed", escaped(word)));
    if (!size.dims.emplace(name, count).second) return wrong(fmt::format("'{}' twice; sizes stand apart by commas", name));
  }
  for (const std::string& name : names)
    if (!size.dims.contains(name)) return wrong(name + " is missing");
  return size;
}

/// The sample is as large as the largest in every dimension; one size alone is no mix.
static Result<void> setSizes(const std::string& given, WorkloadItem& item) {
  std::vector<SizePoint> sizes;
  for (const std::string& one : split(given, ',')) {
    auto size = parseSize(one, runtimeDims(item.op));
    if (!size) return size.error();
    sizes.push_back(std::move(*size));
  }
  item.sample = sizes[0].dims;
  for (const SizePoint& size : sizes)
    for (const auto& [name, value] : size.dims) item.sample[name] = std::max(item.sample[name], value);
  // Each product may be within bounds where that of the largest of each is not.
  auto valid = std::visit([](const auto& bound) { return bound.validate(); }, fixed(item.op, item.sample));
  if (!valid) return badCommand("tune: --at: " + valid.error().message);
  item.sizes = sizes.size() > 1 ? std::move(sizes) : std::vector<SizePoint>();
  return {};
}

Result<void> setRegime(const CommandLine& line, Workload& workload, TuneOptions& options) {
  if (line.has("at")) {
    if (line.words().empty()) return badCommand("tune: --at goes with an op");
    if (auto good = setSizes(line.get("at"), workload.items.at(0)); !good) return good;
  }
  if (line.has("cache-state")) {
    std::string state = line.get("cache-state");
    bool cold = state == text(CacheState::ColdWeights);
    if (!cold && state != text(CacheState::Hot))
      return badCommand(fmt::format("tune: --cache-state {}: hot or cold-weights is needed", escaped(state)));
    for (WorkloadItem& item : workload.items) item.cacheState = cold ? CacheState::ColdWeights : CacheState::Hot;
  }
  auto threads = line.number("threads", 0, 1024);
  if (!threads) return threads.error();
  int given = static_cast<int>(*threads), count = given > 0 ? given : line.has("model") ? usableCpus() : 1;
  for (WorkloadItem& item : workload.items) item.threads = count;
  options.regimeGiven = line.has("at") || line.has("cache-state") || line.has("threads");
  options.runner = poolRunner;
  options.worthSharing = worthSharing;
  return {};
}

}  // namespace quern
