// tools/quern/cli/SamplerFlags.cpp — see SamplerFlags.h.
#include "tools/quern/cli/SamplerFlags.h"

#include "compiler/base/Text.h"

#include <algorithm>
#include <fmt/format.h>
#include <random>

namespace quern {

CommandLine& samplerFlags(CommandLine& line, const std::string& numberHelp) {
  line.value("number", "N", "", numberHelp, 'n');
  line.value("temp", "T", "0.8", "temperature; 0 takes the likeliest")
      .value("temperature", "T", "", "the same")
      .value("top-k", "K", "40", "of the K likeliest; 0: of all")
      .value("top-p", "P", "0.95", "of the likeliest that sum to P; 1: of all");
  line.value("min-p", "P", "0.05", "of those at least P times as likely as the likeliest; 0: of all")
      .value("repeat-penalty", "R", "1", "of tokens just seen; 1: none");
  return line.value("repeat-last", "N", "64", "how many tokens back the penalty sees")
      .value("seed", "S", "", "of the random numbers (default, and -1: a random one, said at the end)", 's')
      .list("stop", "TEXT", "a text that ends the output and is no part of it; again and again for several");
}

static Result<double> realOf(const CommandLine& line, const std::string& flag) {
  auto value = parseDouble(line.get(flag));
  if (!value) return badCommand(fmt::format("{}: --{} {} is not a number", line.name(), flag, escaped(line.get(flag))));
  return *value;
}

bool seedGiven(const CommandLine& line) { return line.has("seed") && line.get("seed") != "-1"; }

Result<SamplerOptions> samplerOf(const CommandLine& line) {
  SamplerOptions options;
  if (line.has("temp") && line.has("temperature"))
    return badCommand(fmt::format("{}: --temp and --temperature are the same; one of them", line.name()));
  for (auto [flag, into] : {std::pair{line.has("temperature") ? "temperature" : "temp", &options.temperature},
                            {"top-p", &options.topP},
                            {"min-p", &options.minP},
                            {"repeat-penalty", &options.repeatPenalty}}) {
    auto value = realOf(line, flag);
    if (!value) return value.error();
    *into = *value;
  }
  auto topK = line.number("top-k", 0, INT32_MAX), last = line.number("repeat-last", 0, 65536), seed = line.number("seed", -1, INT64_MAX);
  if (!topK) return topK.error();
  if (!last) return last.error();
  options.topK = *topK;
  options.repeatLast = *last;
  if (line.has("seed") && !seed) return seed.error();
  options.seed = seedGiven(line) ? static_cast<uint64_t>(*seed) : std::random_device()() & 0x7fffffff;
  if (auto good = checkSampler(options); !good) return badCommand(fmt::format("--{}", good.error().message));
  return options;
}

Result<int64_t> numberOf(const CommandLine& line) {
  if (!line.has("number")) return -1;
  auto count = line.number("number", -2, int64_t{1} << 24);
  return count ? std::max<int64_t>(*count, -1) : count;
}

Result<std::vector<std::string>> stopsOf(const CommandLine& line) {
  constexpr size_t kMostBytes = 4096;
  std::vector<std::string> stops = line.all("stop");
  for (const std::string& each : stops) {
    if (each.empty()) return badCommand(fmt::format("{}: --stop is empty, which would stop everything", line.name()));
    if (each.size() > kMostBytes)
      return badCommand(fmt::format("{}: --stop has {} bytes, at most {} are looked for", line.name(), each.size(), kMostBytes));
  }
  return stops;
}

}  // namespace quern
