// compiler/base/Check.cpp — the one place where a broken invariant ends the program.
#include "compiler/base/Check.h"

#include <atomic>
#include <cstdio>
#include <cstdlib>

namespace quern {

static std::atomic<CheckFailure> currentFailure{nullptr};

void setCheckFailure(CheckFailure failure) { currentFailure = failure; }

void checkFailed(const char* file, int line, const char* condition, const std::string& subject) {
  std::string message = std::string(file) + ":" + std::to_string(line) + ": " + condition;
  if (!subject.empty()) message += "\n  for: " + subject;
  if (CheckFailure failure = currentFailure) failure(message);
  std::fprintf(stderr, "quern: internal error at %s\n", message.c_str());
  std::fflush(nullptr);
  std::_Exit(70);
}

}  // namespace quern
