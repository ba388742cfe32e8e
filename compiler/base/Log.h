// compiler/base/Log.h — warnings, and notes by topic, on their way to a sink that the program sets: the library prints nothing itself.
#pragma once

#include "compiler/base/Result.h"

#include <string>
#include <string_view>

namespace quern {

enum class LogTopic { Dispatch, Cache, Tune, Perf };

/// Takes one line without its end. `kind` is "warning" or a topic's name. Threads: called by any, by several at a time.
using LogSink = void (*)(std::string_view kind, std::string_view message);
/// Where lines go from now on. Null, as at the start: nowhere. The code generator's module has a copy of its own, which stays at null.
void setLogSink(LogSink sink);

/// Switches the topics of a comma-separated list on, and all others off. Errors: BadCommand for an unknown topic, which changes nothing.
Result<void> setLogTopics(std::string_view list);
/// Whether anybody reads the topic.
bool logEnabled(LogTopic topic);
void logLine(LogTopic topic, std::string_view message);
void logWarning(std::string_view message);

}  // namespace quern
