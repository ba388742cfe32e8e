/* tests/examples/bundle.c — a kernel without a library, with plain cc:
 *   quern emit "softmax x=*x16" -o bundle
 *   cc -Ibundle bundle.c bundle/libquern_kernels.a -o example */
#include "kernels.h"

#include <stdio.h>

int main(void) {
  float x[2 * 16], y[2 * 16];
  for (int i = 0; i < 32; ++i) x[i] = (float)(i % 16);
  const int64_t rows = 2;
  const void* buffers[] = {x, y};
  QuernArgs args = {buffers, &rows, NULL, NULL, NULL, NULL};
  quern_softmax_xanyx16_kernel(&rows)(&args, 0, quern_softmax_xanyx16_tasks(&rows));
  for (int i = 12; i < 16; ++i) printf("%.6f\n", y[i]);
  return 0;
}
