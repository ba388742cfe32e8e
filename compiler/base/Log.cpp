// compiler/base/Log.cpp — see Log.h.
#include "compiler/base/Log.h"

#include "compiler/base/Text.h"

#include <array>
#include <atomic>
#include <fmt/format.h>

namespace quern {

static constexpr std::array<std::string_view, 4> kTopicNames = {"dispatch", "cache", "tune", "perf"};

/// Which topics are on, a bit each, and who reads them. The process-wide state of the library, set once by the program.
static std::atomic<unsigned> enabledTopics{0};
static std::atomic<LogSink> currentSink{nullptr};

void setLogSink(LogSink sink) { currentSink = sink; }

Result<void> setLogTopics(std::string_view list) {
  unsigned topics = 0;
  for (const std::string& word : list.empty() ? std::vector<std::string>() : split(list, ',')) {
    size_t topic = 0;
    while (topic < kTopicNames.size() && kTopicNames[topic] != word) ++topic;
    if (topic == kTopicNames.size())
      return badCommand(fmt::format("unknown topic '{}'; topics: dispatch, cache, tune, perf", escaped(word)));
    topics |= 1u << topic;
  }
  enabledTopics = topics;
  return {};
}

bool logEnabled(LogTopic topic) { return currentSink.load() != nullptr && (enabledTopics & (1u << static_cast<unsigned>(topic))) != 0; }

void logLine(LogTopic topic, std::string_view message) {
  if (!logEnabled(topic)) return;
  if (LogSink sink = currentSink) sink(kTopicNames[static_cast<size_t>(topic)], message);
}

void logWarning(std::string_view message) {
  if (LogSink sink = currentSink) sink("warning", message);
}

}  // namespace quern
