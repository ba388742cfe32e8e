// compiler/base/Log.h — notes to stderr, by topic: `--log dispatch,cache,tune,perf`.
#pragma once

#include "compiler/base/Result.h"

#include <string>
#include <string_view>

namespace quern {

enum class LogTopic { Dispatch, Cache, Tune, Perf };

/// Switches the topics of a comma-separated list on. Errors: BadCommand for an unknown topic.
Result<void> enableLogTopics(std::string_view list);
bool logEnabled(LogTopic topic);
/// One line "quern[topic]: message" on stderr, if the topic is on.
void logLine(LogTopic topic, std::string_view message);
/// One line "quern: warning: message" on stderr, always.
void logWarning(std::string_view message);

}  // namespace quern
