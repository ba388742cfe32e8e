/* tests/api/overhead.c [CALLS] — what a call costs: a 1 x 16 softmax by quern_run, on one thread, beside a product that is nothing but a call. */
#include "tools/api/quern.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static int compare(const void* a, const void* b) {
  double x = *(const double*)a, y = *(const double*)b;
  return (x > y) - (x < y);
}

/* Nanoseconds of a call: the median of nine runs. Below 0: it failed. */
static double timed(quern_op op, const quern_array* arrays, int count, long calls) {
  double runs[9];
  for (int run = 0; run < 9; ++run) {
    double start = seconds();
    for (long i = 0; i < calls; ++i)
      if (quern_run(op, arrays, count, 1) != QUERN_OK) return -1;
    runs[run] = (seconds() - start) * 1e9 / (double)calls;
  }
  qsort(runs, 9, sizeof *runs, compare);
  return runs[4];
}

int main(int argc, char** argv) {
  long calls = argc > 1 ? atol(argv[1]) : 1000000;
  quern_context context;
  quern_op softmax, nothing;
  float x[16] = {1, 2, 3}, y[16];
  int64_t shape[] = {1, 16}, none[] = {0, 16};
  quern_array arrays[2] = {{.data = x, .shape = shape, .rank = 2}, {.data = y, .shape = shape, .rank = 2}};
  quern_array empty[2] = {{.data = x, .shape = none, .rank = 2}, {.data = y, .shape = none, .rank = 2}};
  if (quern_open(NULL, &context) || quern_op_prepare(context, "softmax x=*x16", NULL, &softmax) ||
      quern_op_prepare(context, "neg x=*x16", NULL, &nothing))
    return fprintf(stderr, "%s\n", quern_error_message()), 1;
  double call = timed(softmax, arrays, 2, calls), alone = timed(nothing, empty, 2, calls);
  if (call < 0 || alone < 0) return fprintf(stderr, "%s\n", quern_error_message()), 1;
  printf("softmax 1x16: %.0f ns a call; without any elements: %.0f ns; the kernel: about %.0f ns\n", call, alone, call - alone);
  return 0;
}
