// compiler/base/Log.cpp — see Log.h.
#include "compiler/base/Log.h"

#include "compiler/base/Text.h"

#include <array>
#include <atomic>
#include <cstdio>
#include <fmt/format.h>

namespace quern {

static constexpr std::array<std::string_view, 4> kTopicNames = {"dispatch", "cache", "tune", "perf"};

/// Which topics are on: a bit each. The one piece of process-wide state of the library, set once by the program.
static std::atomic<unsigned> enabledTopics{0};

Result<void> enableLogTopics(std::string_view list) {
  for (const std::string& word : split(list, ',')) {
    size_t topic = 0;
    while (topic < kTopicNames.size() && kTopicNames[topic] != word) ++topic;
    if (topic == kTopicNames.size())
      return badCommand(fmt::format("--log: unknown topic '{}'; topics: dispatch, cache, tune, perf", escaped(word)));
    enabledTopics |= 1u << topic;
  }
  return {};
}

bool logEnabled(LogTopic topic) { return (enabledTopics & (1u << static_cast<unsigned>(topic))) != 0; }

void logLine(LogTopic topic, std::string_view message) {
  if (!logEnabled(topic)) return;
  std::string line = fmt::format("quern[{}]: {}\n", kTopicNames[static_cast<size_t>(topic)], message);
  std::fwrite(line.data(), 1, line.size(), stderr);
}

void logWarning(std::string_view message) {
  std::string line = fmt::format("quern: warning: {}\n", message);
  std::fwrite(line.data(), 1, line.size(), stderr);
}

}  // namespace quern
