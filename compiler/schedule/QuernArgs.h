/* compiler/schedule/QuernArgs.h — how a compiled kernel is called. Plain C; shipped with every bundle. */
#ifndef QUERN_ARGS_H
#define QUERN_ARGS_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Everything a kernel touches. All arrays are the caller's; the kernel keeps nothing.
 *
 * buffers        the operands in the order of the manifest's `buffer` lines (inputs, then the output)
 * dims           run-time dimensions, in the order of its `dim` lines
 * strides        in elements, for each buffer with strides=N its N leading strides, buffer after buffer; the innermost
 *                stride is 1 and not given
 * scalars        run-time scalars; no kernel of this version has any
 * sharedScratch  as many bytes as `shared_scratch` says, the same for all threads of a call; contents need not be kept
 * threadScratch  as many bytes as `thread_scratch` says, one per thread
 */
typedef struct QuernArgs {
  const void* const* buffers;
  const int64_t* dims;
  const int64_t* strides;
  const float* scalars;
  void* sharedScratch;
  void* threadScratch;
} QuernArgs;

/* Runs tasks [taskBegin, taskEnd). Tasks are independent within a phase and count through the phases: phase 0 has tasks
 * 0 .. p0-1, phase 1 has p0 .. p0+p1-1, ...; all of a phase must be done before the next begins. */
typedef void QuernKernel(const QuernArgs* args, int64_t taskBegin, int64_t taskEnd);

#ifdef __cplusplus
}
#endif
#endif
