// compiler/base/Check.cpp — the one place where a broken invariant ends the program.
#include "compiler/base/Check.h"

#include <cstdio>
#include <cstdlib>

namespace quern {

void checkFailed(const char* file, int line, const char* condition, const std::string& subject) {
  std::fprintf(stderr, "quern: internal error at %s:%d: %s", file, line, condition);
  if (!subject.empty()) std::fprintf(stderr, "\n  for: %s", subject.c_str());
  std::fprintf(stderr, "\n");
  std::fflush(nullptr);
  std::_Exit(70);
}

}  // namespace quern
