/* tests/api/Checks.h — how the C tests of the library say what is wrong: line, what was expected, what the library said. */
#ifndef QUERN_TESTS_CHECKS_H
#define QUERN_TESTS_CHECKS_H

#include "tools/api/quern.h"

#include <stdio.h>
#include <string.h>

static int checksDone = 0, checksFailed = 0;

static inline int checked(int good, const char* file, int line, const char* what) {
  ++checksDone;
  if (good) return 1;
  ++checksFailed;
  fprintf(stderr, "%s:%d: %s (the library's last error: %s)\n", file, line, what, quern_error_message());
  return 0;
}
#define CHECK(condition) checked((condition) != 0, __FILE__, __LINE__, #condition)
#define OK(call) checked((call) == QUERN_OK, __FILE__, __LINE__, #call)

static inline int refused(int status, int expected, const char* part, const char* file, int line, const char* call) {
  char what[512];
  const char* said = quern_error_message();
  int good = status == expected && strstr(said, part) != NULL;
  snprintf(what, sizeof what, "%s: status %d, expected %d with '%s'", call, status, expected, part);
  return checked(good, file, line, what);
}
/* A call that fails with this status, and a message that has this part. */
#define REFUSED(call, expected, part) refused((call), expected, part, __FILE__, __LINE__, #call)

/* What main returns: 0, or 1 where a check failed or there were none. */
static inline int checksSaid(const char* name) {
  printf("%s: %d checks, %d failed\n", name, checksDone, checksFailed);
  return checksFailed == 0 && checksDone > 0 ? 0 : 1;
}

#endif
