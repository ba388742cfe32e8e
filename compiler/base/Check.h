// compiler/base/Check.h — invariants. User input never reaches one; a failing check is a bug of ours.
#pragma once

#include <string>

namespace quern {

/// Told first, with the message: whoever has no place to print, or must not end, does not return from it. Null: nobody.
using CheckFailure = void (*)(const std::string& message);
void setCheckFailure(CheckFailure failure);

/// Prints file, line, the condition and `subject` (the text form of the value at hand) and ends the program with status 70, unless
/// setCheckFailure's does not return.
[[noreturn]] void checkFailed(const char* file, int line, const char* condition, const std::string& subject);

}  // namespace quern

#define QUERN_CHECK(condition) ((condition) ? void() : ::quern::checkFailed(__FILE__, __LINE__, #condition, {}))
#define QUERN_CHECK_FOR(condition, subject) ((condition) ? void() : ::quern::checkFailed(__FILE__, __LINE__, #condition, (subject)))
