/* tests/api/ops.c — ops through the C interface: results, layouts, weights, threads, the caller's own, the log. */
#include "tests/api/Checks.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>

static quern_context context;

static quern_array array(void* data, const int64_t* shape, int rank) {
  quern_array out = {0};
  out.data = data, out.shape = shape, out.rank = rank;
  return out;
}

static float* numbers(size_t count, unsigned seed) {
  float* out = malloc((count + 1) * sizeof *out);
  for (size_t i = 0; i < count; ++i) {
    seed = seed * 1664525u + 1013904223u;
    out[i] = (float)(seed >> 8) / 8388608.0f - 1.0f;
  }
  return out;
}

static int sameBits(const float* a, const float* b, size_t count) { return memcmp(a, b, count * sizeof *a) == 0; }

static void softmax(void) {
  quern_op op = 0;
  const int64_t shape[] = {3, 5};
  float* x = numbers(15, 1);
  float y[15];
  quern_array arrays[] = {array(x, shape, 2), array(y, shape, 2)};
  if (!OK(quern_op_prepare(context, "softmax x=*x5", NULL, &op))) return;
  OK(quern_run(op, arrays, 2, 1));
  for (int row = 0; row < 3; ++row) {
    double sum = 0, all = 0;
    for (int i = 0; i < 5; ++i) sum += exp(x[row * 5 + i]);
    for (int i = 0; i < 5; ++i) {
      CHECK(fabs(y[row * 5 + i] - exp(x[row * 5 + i]) / sum) < 1e-6);
      all += y[row * 5 + i];
    }
    CHECK(fabs(all - 1) < 4e-6);
  }
  quern_op_info info = {sizeof info, 0, 0, 0, 0, 0, 0};
  OK(quern_op_describe(op, &info));
  CHECK(strcmp(info.text, "softmax x=*x5") == 0 && info.inputs == 1 && strlen(info.schedule) > 0);
  quern_operand operand = {sizeof operand, 0, {0}, 0, 0, 0, 0};
  OK(quern_op_operand(op, 1, &operand));
  CHECK(operand.rank == 2 && operand.shape[0] == -1 && operand.shape[1] == 5 && operand.type == QUERN_F32);
  int64_t out[QUERN_MAX_RANK];
  int rank = 0;
  OK(quern_op_output_shape(op, arrays, 1, out, &rank));
  CHECK(rank == 2 && out[0] == 3 && out[1] == 5);
  OK(quern_op_free(op));
  free(x);
}

/* C = A B with A and C inside of wider arrays, against a double sum. */
static void strides(void) {
  enum { kM = 7, kN = 9, kK = 11, kWide = 16 };
  quern_op op = 0;
  float *a = numbers(kM * kWide, 2), *b = numbers(kK * kN, 3), *c = numbers(kM * kWide, 4), *before = numbers(kM * kWide, 4);
  const int64_t as[] = {kM, kK}, bs[] = {kK, kN}, cs[] = {kM, kN}, wide[] = {kWide, 1};
  quern_array arrays[] = {array(a, as, 2), array(b, bs, 2), array(c, cs, 2)};
  arrays[0].strides = arrays[2].strides = wide;
  if (!OK(quern_op_prepare(context, "matmul m=* n=* k=*", NULL, &op))) return;
  OK(quern_run(op, arrays, 3, 1));
  for (int i = 0; i < kM; ++i)
    for (int j = 0; j < kWide; ++j) {
      double sum = 0, size = 0;
      for (int k = 0; k < kK && j < kN; ++k) sum += (double)a[i * kWide + k] * b[k * kN + j], size += fabs((double)a[i * kWide + k] * b[k * kN + j]);
      if (j < kN) CHECK(fabs(c[i * kWide + j] - sum) <= (kK + 2) * ldexp(1, -24) * size);
      else CHECK(c[i * kWide + j] == before[i * kWide + j]);
    }
  OK(quern_op_free(op));
  free(a), free(b), free(c), free(before);
}

/* C += A B, in place and from another C: the same bits. */
static void adding(void) {
  enum { kM = 5, kN = 33, kK = 8 };
  quern_op op = 0;
  float *a = numbers(kM * kK, 5), *b = numbers(kK * kN, 6), *c = numbers(kM * kN, 7), *from = numbers(kM * kN, 7), *to = numbers(kM * kN, 8);
  const int64_t as[] = {kM, kK}, bs[] = {kK, kN}, cs[] = {kM, kN};
  quern_array there[] = {array(a, as, 2), array(b, bs, 2), array(c, cs, 2), array(c, cs, 2)};
  quern_array other[] = {array(a, as, 2), array(b, bs, 2), array(from, cs, 2), array(to, cs, 2)};
  if (!OK(quern_op_prepare(context, "matmul m=* n=* k=* acc=1", NULL, &op))) return;
  OK(quern_run(op, there, 4, 1));
  OK(quern_run(op, other, 4, 1));
  CHECK(sameBits(c, to, kM * kN));
  float* untouched = numbers(kM * kN, 7);
  CHECK(sameBits(from, untouched, kM * kN));
  CHECK(!sameBits(from, to, kM * kN));
  OK(quern_op_free(op));
  free(a), free(b), free(c), free(from), free(to), free(untouched);
}

/* A weight that is packed once, and one that comes as it is. */
static void weights(void) {
  enum { kM = 6, kN = 96, kK = 64 };
  quern_op op = 0;
  quern_weight weight = 0;
  float *a = numbers(kM * kK, 9), *b = numbers(kK * kN, 10), *c = numbers(kM * kN, 0), *d = numbers(kM * kN, 1);
  const int64_t as[] = {kM, kK}, bs[] = {kK, kN}, cs[] = {kM, kN};
  quern_array arrays[] = {array(a, as, 2), array(b, bs, 2), array(c, cs, 2)};
  if (!OK(quern_op_prepare(context, "matmul m=* n=96 k=64 const=b", NULL, &op))) return;
  OK(quern_run(op, arrays, 3, 1));
  OK(quern_pack(op, 1, &arrays[1], &weight));
  memset(b, 0, kK * kN * sizeof *b); /* is not needed any more */
  arrays[1].data = NULL, arrays[1].weight = weight, arrays[2].data = d;
  OK(quern_run(op, arrays, 3, 1));
  CHECK(sameBits(c, d, kM * kN));
  OK(quern_weight_free(weight));
  REFUSED(quern_run(op, arrays, 3, 1), QUERN_BAD_COMMAND, "weight was freed");
  OK(quern_op_free(op));
  free(a), free(b), free(c), free(d);
}

/* A pool of the test's own: pieces of odd sizes, on threads. */
struct piece {
  quern_task task;
  void* data;
  int thread;
  int64_t begin, end;
};
static void* runPiece(void* given) {
  struct piece* piece = given;
  for (int64_t i = piece->begin; i < piece->end; ++i) piece->task(piece->data, piece->thread, i, i + 1);
  return NULL;
}
static void runApart(void* user, int64_t count, quern_task task, void* data) {
  struct piece pieces[3];
  pthread_t threads[3];
  ++*(int*)user;
  for (int i = 0; i < 3; ++i) {
    pieces[i] = (struct piece){task, data, i, count * i / 3, count * (i + 1) / 3};
    pthread_create(&threads[i], NULL, runPiece, &pieces[i]);
  }
  for (int i = 0; i < 3; ++i) pthread_join(threads[i], NULL);
}
static void runHalf(void* user, int64_t count, quern_task task, void* data) {
  (void)user;
  task(data, 0, 0, count / 2);
}
static void runWrong(void* user, int64_t count, quern_task task, void* data) {
  (void)user;
  task(data, 7, 0, count);
}

static void threads(void) {
  enum { kM = 300, kN = 256, kK = 128 };
  quern_op op = 0;
  float *a = numbers(kM * kK, 11), *b = numbers(kK * kN, 12), *alone = numbers(kM * kN, 0), *c = numbers(kM * kN, 0);
  const int64_t as[] = {kM, kK}, bs[] = {kK, kN}, cs[] = {kM, kN};
  quern_array arrays[] = {array(a, as, 2), array(b, bs, 2), array(alone, cs, 2)};
  if (!OK(quern_op_prepare(context, "matmul m=* n=* k=* ep=gelu_tanh", NULL, &op))) return;
  OK(quern_run(op, arrays, 3, 1));
  arrays[2].data = c;
  for (int count = 0; count <= 4; ++count) {
    memset(c, 0, kM * kN * sizeof *c);
    OK(quern_run(op, arrays, 3, count));
    CHECK(sameBits(alone, c, kM * kN));
  }
  int calls = 0;
  quern_runner runner = {runApart, &calls, 3};
  memset(c, 0, kM * kN * sizeof *c);
  OK(quern_run_on(op, arrays, 3, &runner));
  CHECK(sameBits(alone, c, kM * kN) && calls >= 1);
  runner.run = runHalf;
  REFUSED(quern_run_on(op, arrays, 3, &runner), QUERN_BAD_COMMAND, "not complete");
  runner.run = runWrong;
  REFUSED(quern_run_on(op, arrays, 3, &runner), QUERN_BAD_COMMAND, "0 of");
  OK(quern_op_free(op));
  free(a), free(b), free(alone), free(c);
}

/* Sizes from arrays: one op for all of a rank. */
static void openSizes(void) {
  quern_op op = 0;
  float *x = numbers(64, 13), *y = numbers(64, 14), z[64];
  const int64_t shape[] = {4, 16}, other[] = {2, 32};
  quern_array arrays[] = {array(x, shape, 2), array(y, shape, 2), array(z, shape, 2)};
  if (!OK(quern_op_prepare_for(context, "mul", arrays, 2, NULL, &op))) return;
  for (int turn = 0; turn < 2; ++turn) {
    OK(quern_run(op, arrays, 3, 1));
    for (int i = 0; i < 64; ++i) CHECK(z[i] == x[i] * y[i]);
    for (int i = 0; i < 3; ++i) arrays[i].shape = other;
  }
  OK(quern_op_free(op));
  free(x), free(y);
}

/* ---- the log, and one compilation however many ask ---- */

static pthread_mutex_t guard = PTHREAD_MUTEX_INITIALIZER;
static int compiled = 0;
static void count(void* user, const char* kind, const char* message) {
  pthread_mutex_lock(&guard);
  if (strcmp(kind, "dispatch") == 0 && strstr(message, "from compiled") != NULL) ++*(int*)user;
  pthread_mutex_unlock(&guard);
}

static void* prepareIt(void* unused) {
  quern_op op = 0;
  const int64_t shape[] = {2, 77};
  float x[154] = {0}, y[154];
  quern_array arrays[] = {array(x, shape, 2), array(y, shape, 2)};
  (void)unused;
  int status = quern_op_prepare(context, "softmax x=*x77 scale=0.5", NULL, &op);
  if (status == QUERN_OK) status = quern_run(op, arrays, 2, 1);
  if (status == QUERN_OK) status = quern_op_free(op);
  return status == QUERN_OK && fabsf(y[5] - 1.0f / 77) < 1e-7f ? NULL : "wrong";
}

static void once(void) {
  enum { kThreads = 16 };
  pthread_t all[kThreads];
  OK(quern_set_log(count, &compiled, "dispatch"));
  for (int i = 0; i < kThreads; ++i) pthread_create(&all[i], NULL, prepareIt, NULL);
  for (int i = 0; i < kThreads; ++i) {
    void* wrong = NULL;
    pthread_join(all[i], &wrong);
    CHECK(wrong == NULL);
  }
  CHECK(compiled == 1);
  OK(quern_set_log(NULL, NULL, NULL));
}

int main(void) {
  quern_options options = {sizeof options, "none", NULL, NULL, 0};
  if (!OK(quern_open(&options, &context))) return checksSaid("ops");
  softmax();
  strides();
  adding();
  weights();
  threads();
  openSizes();
  once();
  OK(quern_close(context));
  return checksSaid("ops");
}
