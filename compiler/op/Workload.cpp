// compiler/op/Workload.cpp — see Workload.h.
#include "compiler/op/Workload.h"

#include "compiler/base/Text.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <numeric>

namespace quern {

std::vector<int> callsOfRound(const std::vector<SizePoint>& sizes) {
  constexpr double kRound = 16;
  double sum = 0;
  for (const SizePoint& size : sizes) sum += size.weight;
  std::vector<int> calls;
  for (const SizePoint& size : sizes) calls.push_back(std::max(1, static_cast<int>(std::lround(kRound * size.weight / sum))));
  // Even mixes need no sixteen calls: three sizes of one weight are three.
  int common = 0;
  for (int count : calls) common = std::gcd(common, count);
  for (int& count : calls) count /= std::max(1, common);
  return calls;
}

DimValues usualDims(const OpDesc& op) {
  DimValues dims;
  for (const std::string& name : runtimeDims(op)) dims[name] = name == "kv" ? kUsualKeys : kUsualRows;
  return dims;
}

std::string regimeOf(const WorkloadItem& item) {
  std::string out = text(item.sample), mix;
  for (const SizePoint& size : item.sizes)
    mix += fmt::format("{}{}{}", mix.empty() ? "" : ", ", text(size.dims), size.weight == 1 ? "" : fmt::format(" x{}", size.weight));
  auto add = [&](const std::string& more) { out += (out.empty() ? "" : " ") + more; };
  if (!mix.empty()) add("sizes=[" + mix + "]");
  if (item.cacheState != CacheState::Hot) add(std::string(text(item.cacheState)));
  if (item.threads != 1) add(fmt::format("threads={}", item.threads));
  return out;
}

Result<WorkloadItem> parseRegime(const OpDesc& op, std::string_view regime) {
  WorkloadItem item{op, {}, 1, CacheState::Hot, 0, {}, 1};
  auto wrong = [&] { return badInput(fmt::format("'{}' is not where an op was timed", escaped(regime))); };
  auto dimsOf = [](std::string_view words, SizePoint& into) {
    for (const std::string& word : split(std::string(words), ' ')) {
      size_t equals = word.find('=');
      auto value = parseInt(word.substr(std::min(word.size(), equals == std::string::npos ? 1 : equals + 1)));
      if (word.starts_with('x') && equals == std::string::npos) into.weight = parseDouble(std::string_view(word).substr(1)).value_or(0);
      else if (value) into.dims[word.substr(0, equals)] = *value;
      else if (!word.empty()) return false;
    }
    return into.weight > 0;
  };
  std::string rest(regime);
  constexpr std::string_view kMix = "sizes=[";
  if (size_t begin = rest.find(kMix), end = rest.find(']'); begin != std::string::npos) {
    if (end == std::string::npos) return wrong();
    for (const std::string& one : split(rest.substr(begin + kMix.size(), end - begin - kMix.size()), ','))
      if (!dimsOf(one, item.sizes.emplace_back())) return wrong();
    rest.erase(begin, end + 1 - begin);
  }
  if (size_t cold = rest.find(text(CacheState::ColdWeights)); cold != std::string::npos) {
    item.cacheState = CacheState::ColdWeights;
    rest.erase(cold, text(CacheState::ColdWeights).size());
  }
  SizePoint sample;
  if (!dimsOf(rest, sample)) return wrong();
  constexpr int64_t kMostThreads = 1024;
  if (auto threads = sample.dims.extract("threads"); !threads.empty()) {
    if (threads.mapped() < 1 || threads.mapped() > kMostThreads) return wrong();
    item.threads = static_cast<int>(threads.mapped());
  }
  item.sample = sample.dims;
  auto possible = [&](const DimValues& dims) {
    std::vector<std::string> names = runtimeDims(op);
    bool counts = std::all_of(dims.begin(), dims.end(), [](const auto& dim) { return dim.second >= 1; });
    bool all = std::all_of(names.begin(), names.end(), [&](const std::string& name) { return dims.contains(name); });
    return counts && all && std::visit([](const auto& bound) { return bound.validate(); }, fixed(op, dims));
  };
  bool good =
      possible(item.sample) && std::all_of(item.sizes.begin(), item.sizes.end(), [&](const SizePoint& s) { return possible(s.dims); });
  if (!good) return wrong();
  return item;
}

double meanOf(const WorkloadItem& item, const std::function<double(const OpDesc& bound)>& figure) {
  if (item.sizes.empty()) return figure(fixed(item.op, item.sample));
  std::vector<int> calls = callsOfRound(item.sizes);
  double sum = 0, count = 0;
  for (size_t i = 0; i < calls.size(); ++i) sum += calls[i] * figure(fixed(item.op, item.sizes[i].dims)), count += calls[i];
  return sum / count;
}

}  // namespace quern
