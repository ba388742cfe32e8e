// compiler/base/Check.h — invariants. User input never reaches one; a failing check is a bug of ours.
#pragma once

#include <string>

namespace quern {

/// Prints file, line, the condition and `subject` (the text form of the value at hand) and aborts with exit status 70.
[[noreturn]] void checkFailed(const char* file, int line, const char* condition, const std::string& subject);

}  // namespace quern

#define QUERN_CHECK(condition) ((condition) ? void() : ::quern::checkFailed(__FILE__, __LINE__, #condition, {}))
#define QUERN_CHECK_FOR(condition, subject) ((condition) ? void() : ::quern::checkFailed(__FILE__, __LINE__, #condition, (subject)))
