/* tests/api/malformed.c — calls that are wrong: each an error with a message that says so, none a crash. */
#include "tests/api/Checks.h"

#include <stdlib.h>

#define BAD QUERN_BAD_COMMAND
#define INPUT QUERN_BAD_INPUT

static quern_context context;
static quern_op softmax, matmul, weighted, embedding, adding;
static float x[4096], y[4096];
static const int64_t k2x16[] = {2, 16}, k16x2[] = {16, 2}, k1x4[] = {1, 4};

static quern_array array(void* data, const int64_t* shape, int rank) {
  quern_array out = {0};
  out.data = data, out.shape = shape, out.rank = rank;
  return out;
}

static void opening(void) {
  quern_context other = 0;
  quern_options options = {sizeof options, "none", NULL, NULL, 0};
  REFUSED(quern_open(&options, NULL), BAD, "out is NULL");
  options.size = 0;
  REFUSED(quern_open(&options, &other), BAD, "size in quern_options is 0");
  options.size = 12; /* ends within a field */
  REFUSED(quern_open(&options, &other), BAD, "size in quern_options is 12");
  options.size = 1u << 20;
  REFUSED(quern_open(&options, &other), BAD, "size in quern_options");
  options.size = sizeof options, options.cpu = "pentium";
  REFUSED(quern_open(&options, &other), BAD, "pentium");
  options.cpu = "host -nonsense";
  REFUSED(quern_open(&options, &other), BAD, "nonsense");
  options.cpu = "neoverse-v1";
  REFUSED(quern_open(&options, &other), QUERN_MACHINE, "lacks");
  options.cpu = NULL, options.bundle = "/nowhere";
  REFUSED(quern_open(&options, &other), INPUT, "/nowhere");
  CHECK(other == 0);
  REFUSED(quern_close(NULL), BAD, "context is 0");
  REFUSED(quern_close((quern_context)(size_t)0x1234567), BAD, "never was one");
  REFUSED(quern_close((quern_context)softmax), BAD, "never was one");
  REFUSED(quern_set_log(NULL, NULL, "weather"), BAD, "weather");
}

static void preparing(void) {
  quern_op op = 0;
  char* huge = malloc((1 << 20) + 1);
  memset(huge, '(', 1 << 20), huge[1 << 20] = 0;
  REFUSED(quern_op_prepare(context, huge, NULL, &op), BAD, "");
  memcpy(huge, "map expr=", 9);
  REFUSED(quern_op_prepare(context, huge, NULL, &op), BAD, "");
  memset(huge, 'a', 1 << 20);
  REFUSED(quern_op_prepare(context, huge, NULL, &op), BAD, "");
  REFUSED(quern_op_prepare(context, "softmax x=2x16", huge, &op), BAD, "");
  free(huge);
  REFUSED(quern_op_prepare(context, NULL, NULL, &op), BAD, "text is NULL");
  REFUSED(quern_op_prepare(context, "softmax x=2x16", NULL, NULL), BAD, "out is NULL");
  REFUSED(quern_op_prepare(NULL, "softmax x=2x16", NULL, &op), BAD, "context is 0");
  REFUSED(quern_op_prepare((quern_context)softmax, "softmax x=2x16", NULL, &op), BAD, "context was freed");
  const char* texts[] = {"", " ", "softmax", "softmax x=", "softmax x=-1x4", "softmax x=2x16 y=3", "softmax x=2x16 axis=7", "softmaxx x=2x16",
                         "matmul m=1", "matmul m=1 n=1 k=99999999999999999999", "matmul m=1 n=1 k=1 ep=tanhh", "map expr= x=3", "map expr=a+ a=3",
                         "map expr=a+b a=3 b=4", "reduce x=3 f=median", "matmul m=1 n=1 k=1 w=q9_9 const=b", "softmax x=1000000000x1000000000",
                         "matmul m=2 n=4 k=5 w=q8_0 const=b tb=1", "gelu x=\xff\xfe", "softmax x=2x16 x=2x16", "cast x=3 to=f128",
                         "transpose x=2x3 perm=0,0", "attention heads=3 kv_heads=2 head_dim=8 q=1 kv=1", "rope x=1x1x7 pairs=half"};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; ++i) REFUSED(quern_op_prepare(context, texts[i], NULL, &op), BAD, "");
  const char* schedules[] = {"mr=0", "nonsense", "lanes=3", "lanes=16 lanes=16", "unroll=-1", "rows=99999999999999999999"};
  for (size_t i = 0; i < sizeof schedules / sizeof *schedules; ++i)
    REFUSED(quern_op_prepare(context, "softmax x=2x16", schedules[i], &op), BAD, "");
  REFUSED(quern_op_prepare(context, "softmax x=2x16", "tuned", &op), BAD, "nothing was tuned");
  quern_array inputs[] = {array(x, k2x16, 2), array(x, k16x2, 2)};
  REFUSED(quern_op_prepare_for(context, "add", inputs, 2, NULL, &op), INPUT, "");
  REFUSED(quern_op_prepare_for(context, "add", inputs, 1, NULL, &op), BAD, "");
  REFUSED(quern_op_prepare_for(context, "add", NULL, 2, NULL, &op), BAD, "inputs");
  REFUSED(quern_op_prepare_for(context, "add", inputs, -1, NULL, &op), BAD, "count is -1");
  REFUSED(quern_op_prepare_for(context, "softmax x=3x16", inputs, 1, NULL, &op), INPUT, "3 needed");
  inputs[0].rank = 99;
  REFUSED(quern_op_prepare_for(context, "softmax", inputs, 1, NULL, &op), INPUT, "rank is 99");
  CHECK(op == 0);
  op = (quern_op)(size_t)0x77;
  REFUSED(quern_op_prepare(context, "embedding t=1x1x1x1x1x1x1x2 v=10 d=4", NULL, &op), BAD, "8 dimensions, at most 7");
  CHECK(op == 0);
}

static void asking(void) {
  quern_op_info info = {0};
  quern_operand operand = {0};
  int64_t shape[QUERN_MAX_RANK];
  int rank = 0;
  quern_array input = array(x, k2x16, 2);
  REFUSED(quern_op_describe(softmax, NULL), BAD, "info is NULL");
  REFUSED(quern_op_describe(softmax, &info), BAD, "size in quern_op_info is 0");
  REFUSED(quern_op_describe(NULL, &info), BAD, "op is 0");
  operand.size = sizeof operand;
  REFUSED(quern_op_operand(softmax, -1, &operand), BAD, "index is -1");
  REFUSED(quern_op_operand(softmax, 2, &operand), BAD, "index is 2");
  REFUSED(quern_op_operand(softmax, 0, NULL), BAD, "is NULL");
  REFUSED(quern_op_output_shape(softmax, &input, 1, NULL, &rank), BAD, "shape is NULL");
  REFUSED(quern_op_output_shape(softmax, &input, 1, shape, NULL), BAD, "rank is NULL");
  REFUSED(quern_op_output_shape(softmax, &input, 0, shape, &rank), INPUT, "");
  REFUSED(quern_op_output_shape(matmul, &input, 1, shape, &rank), INPUT, "");
}

/* One thing wrong of a call that would run. */
static void running(void) {
  static const int64_t kNegative[] = {2, -16}, kHuge[] = {INT64_MAX, 16}, kLarge[] = {1ll << 40, 16}, kWide[] = {32, 1}, kBack[] = {-16, 1},
                       kTwo[] = {32, 2}, kFar[] = {INT64_MAX, 1}, kZero[] = {0, 1};
  quern_array good[] = {array(x, k2x16, 2), array(y, k2x16, 2)}, a[2];
#define WRONG(change, status, part) \
  do { \
    memcpy(a, good, sizeof a); \
    change; \
    REFUSED(quern_run(softmax, a, 2, 1), status, part); \
  } while (0)
  OK(quern_run(softmax, good, 2, 1));
  WRONG(a[0].data = NULL, INPUT, "input 1 (x): its data is NULL");
  WRONG(a[1].data = NULL, INPUT, "its data is NULL");
  WRONG(a[0].shape = NULL, INPUT, "shape is NULL");
  WRONG(a[1].shape = NULL, INPUT, "shape is NULL");
  WRONG(a[0].rank = -1, INPUT, "rank is -1");
  WRONG(a[0].rank = 9, INPUT, "rank is 9");
  WRONG(a[0].rank = 1, INPUT, "needed");
  WRONG(a[1].rank = 1, INPUT, "needed");
  WRONG(a[0].rank = 0, INPUT, "needed");
  WRONG(a[0].shape = kNegative, INPUT, "extent 1 is -16");
  WRONG(a[0].shape = kHuge, INPUT, "more elements");
  WRONG(a[0].shape = kLarge, INPUT, "is 2x16, 1099511627776x16 is needed");
  WRONG(a[1].shape = k16x2, INPUT, "its shape is 16x2, 2x16 is needed");
  WRONG(a[0].type = QUERN_F16, INPUT, "its type is f16, f32 is needed");
  WRONG(a[0].type = QUERN_F64, INPUT, "its type is f64");
  WRONG(a[0].type = -1, INPUT, "no quern_type");
  WRONG(a[0].type = 1000, INPUT, "no quern_type");
  WRONG(a[1].type = QUERN_I32, INPUT, "its type is i32");
  WRONG(a[0].strides = kWide, INPUT, "dense");
  WRONG(a[1].strides = kWide, INPUT, "dense");
  WRONG(a[0].strides = kBack, INPUT, "none is negative");
  WRONG(a[0].strides = kTwo, INPUT, "last stride is 2");
  WRONG(a[0].strides = kFar, INPUT, "more elements");
  WRONG(a[1].strides = kZero, INPUT, "stride 0 is 0");
  WRONG(a[1].data = x + 8, INPUT, "overlaps input 1 (x)");
  WRONG(a[1].data = x, INPUT, "overlaps input 1 (x)");
  WRONG(a[0].weight = (quern_weight)(size_t)99, INPUT, "packed weight");
  REFUSED(quern_run(softmax, NULL, 2, 1), BAD, "arrays is NULL");
  REFUSED(quern_run(softmax, good, 1, 1), INPUT, "1 arrays");
  REFUSED(quern_run(softmax, good, 3, 1), INPUT, "3 arrays");
  REFUSED(quern_run(softmax, good, -5, 1), INPUT, "-5 arrays");
  REFUSED(quern_run(softmax, good, 2, -1), BAD, "threads is -1");
  REFUSED(quern_run(softmax, good, 2, 1 << 20), BAD, "threads is 1048576");
  REFUSED(quern_run(NULL, good, 2, 1), BAD, "op is 0");
  REFUSED(quern_run((quern_op)context, good, 2, 1), BAD, "op was freed");
  quern_runner runner = {NULL, NULL, 2};
  REFUSED(quern_run_on(softmax, good, 2, &runner), BAD, "run is NULL");
  REFUSED(quern_run_on(softmax, good, 2, NULL), BAD, "runner is NULL");
  runner.threads = 0;
  REFUSED(quern_run_on(softmax, good, 2, &runner), BAD, "");
  OK(quern_run(softmax, good, 2, 1));
}

/* Outputs whose elements lie apart in any order of axes, and ones that do not. */
static void layouts(void) {
  quern_op batched = 0;
  static const int64_t kA[] = {2, 3, 5}, kB[] = {2, 5, 4}, kC[] = {2, 3, 4}, kMoved[] = {4, 8, 1}, kMeeting[] = {4, 3, 1}, kTwice[] = {0, 8, 1};
  quern_array a[] = {array(x, kA, 3), array(x + 64, kB, 3), array(y, kC, 3)};
  OK(quern_op_prepare(context, "matmul m=* n=* k=* batch=*", NULL, &batched));
  OK(quern_run(batched, a, 3, 1));
  a[2].strides = kMoved;
  OK(quern_run(batched, a, 3, 1));
  a[2].strides = kMeeting;
  REFUSED(quern_run(batched, a, 3, 1), INPUT, "overlap");
  a[2].strides = kTwice;
  REFUSED(quern_run(batched, a, 3, 1), INPUT, "overlap");
  OK(quern_op_free(batched));
}

/* A scalar that is added to, and an error that comes late: C is copied only where nothing fails. */
static void adding2(void) {
  quern_op op = 0;
  static const int64_t k2[] = {2}, k2x2[] = {2, 2};
  float a[4] = {1, 2, 3, 4}, b[4] = {5, 6, 7, 8}, c[4] = {10, 10, 10, 10}, d[4] = {0, 0, 0, 0};
  quern_array dots[] = {array(a, k2, 1), array(b, k2, 1), array(c, NULL, 0), array(d, NULL, 0)};
  OK(quern_op_prepare(context, "matmul m=1 n=1 k=2 vector=ab acc=1", NULL, &op));
  OK(quern_run(op, dots, 4, 1));
  CHECK(d[0] == 27 && c[0] == 10);
  OK(quern_op_free(op));
  d[0] = 0;
  quern_array late[] = {array(a, k2x2, 2), array(b, k2x2, 2), array(c, k2x2, 2), array(NULL, k2, 1), array(d, k2x2, 2)};
  OK(quern_op_prepare(context, "matmul m=2 n=2 k=2 acc=1 ep=bias", NULL, &op));
  REFUSED(quern_run(op, late, 5, 1), INPUT, "input 4 (bias): its data is NULL");
  CHECK(d[0] == 0 && d[3] == 0);
  OK(quern_op_free(op));
}

static void operands(void) {
  int32_t ids[] = {0, 3, 1, 4};
  static const int64_t kIds[] = {4}, kTable[] = {4, 8}, kOut[] = {4, 8}, kB[] = {4, 8}, kRow[] = {1, 8}, kA[] = {1, 4}, kLess[] = {4, 1};
  quern_array rows[] = {array(ids, kIds, 1), array(x, kTable, 2), array(y, kOut, 2)};
  rows[0].type = QUERN_I32;
  REFUSED(quern_run(embedding, rows, 3, 1), INPUT, "element 3 is 4, ids are -4 to 3");
  ids[3] = INT32_MIN;
  REFUSED(quern_run(embedding, rows, 3, 1), INPUT, "element 3 is");
  ids[3] = 2;
  OK(quern_run(embedding, rows, 3, 1));
  rows[0].type = QUERN_F32;
  REFUSED(quern_run(embedding, rows, 3, 1), INPUT, "its type is f32, i32 is needed");
  quern_array product[] = {array(x, kA, 2), array(x + 64, kB, 2), array(y, kRow, 2)};
  OK(quern_run(weighted, product, 3, 1));
  product[1].strides = kLess;
  REFUSED(quern_run(weighted, product, 3, 1), INPUT, "");
  product[1].strides = NULL, product[1].weight = (quern_weight)softmax;
  REFUSED(quern_run(weighted, product, 3, 1), BAD, "weight was freed, or never was one");
  product[1].weight = 0, product[1].shape = k2x16;
  REFUSED(quern_run(weighted, product, 3, 1), INPUT, "");
  quern_weight weight = 0, other = 0;
  quern_array b = array(x, kB, 2);
  REFUSED(quern_pack(weighted, 0, &b, &weight), BAD, "needs no packing");
  REFUSED(quern_pack(weighted, 7, &b, &weight), BAD, "index is 7");
  REFUSED(quern_pack(weighted, 1, NULL, &weight), BAD, "array is NULL");
  REFUSED(quern_pack(weighted, 1, &b, NULL), BAD, "out is NULL");
  b.shape = k2x16;
  REFUSED(quern_pack(weighted, 1, &b, &weight), INPUT, "4x8");
  b.shape = kB, b.data = NULL;
  REFUSED(quern_pack(weighted, 1, &b, &weight), INPUT, "NULL");
  b.data = x;
  OK(quern_pack(weighted, 1, &b, &weight));
  OK(quern_weight_free(weight));
  REFUSED(quern_weight_free(weight), BAD, "weight was freed");
  REFUSED(quern_weight_free(other), BAD, "weight is 0");
  static const int64_t kSquare[] = {4, 4};
  quern_array sum[] = {array(x, kSquare, 2), array(x + 16, kSquare, 2), array(y, kSquare, 2), array(y + 8, kSquare, 2)};
  REFUSED(quern_run(adding, sum, 4, 1), INPUT, "overlaps input 3");
  (void)k1x4;
}

static void models(void) {
  quern_model model = 0;
  quern_session session = 0;
  quern_generation generation = 0;
  quern_model_options options = {sizeof options, NULL, NULL, NULL, 0, 1, NULL, NULL, NULL};
  int32_t ids[4] = {0};
  int64_t count = 0;
  size_t bytes = 0;
  REFUSED(quern_model_open(context, "/nowhere.gguf", NULL, &model), INPUT, "/nowhere.gguf");
  REFUSED(quern_model_open(context, NULL, NULL, &model), BAD, "path is NULL");
  REFUSED(quern_model_open(context, "/nowhere.gguf", NULL, NULL), BAD, "out is NULL");
  options.compute = "quick";
  REFUSED(quern_model_open(context, "/nowhere.gguf", &options, &model), BAD, "quick");
  options.compute = NULL, options.order = "sideways";
  REFUSED(quern_model_open(context, "/nowhere.gguf", &options, &model), BAD, "sideways");
  options.order = NULL, options.threads = -3;
  REFUSED(quern_model_open(context, "/nowhere.gguf", &options, &model), BAD, "threads is -3");
  options.threads = 1, options.context = -1;
  REFUSED(quern_model_open(context, "/nowhere.gguf", &options, &model), BAD, "context is -1");
  REFUSED(quern_model_close(model), BAD, "model is 0");
  REFUSED(quern_session_open(model, 1, &session), BAD, "model is 0");
  REFUSED(quern_session_feed(session, ids, 4, 0, NULL), BAD, "session is 0");
  REFUSED(quern_session_rewind((quern_session)softmax, 0), BAD, "session was freed");
  REFUSED(quern_session_close(session), BAD, "session is 0");
  REFUSED(quern_tokenize(model, "a", 1, 0, ids, 4, &count), BAD, "model is 0");
  REFUSED(quern_chat_ids(model, NULL, NULL, 0, ids, 4, &count), BAD, "model is 0");
  REFUSED(quern_detokenize(model, ids, 4, NULL, 0, &bytes), BAD, "model is 0");
  REFUSED(quern_generation_open(session, ids, 4, NULL, &generation), BAD, "session is 0");
  REFUSED(quern_generation_close(generation), BAD, "generation is 0");
  quern_generate_defaults(NULL);
}

static void freed(void) {
  quern_array good[] = {array(x, k2x16, 2), array(y, k2x16, 2)};
  quern_op again = 0;
  OK(quern_op_free(softmax));
  REFUSED(quern_op_free(softmax), BAD, "op was freed");
  REFUSED(quern_run(softmax, good, 2, 1), BAD, "op was freed");
  OK(quern_op_prepare(context, "softmax x=*x16", NULL, &again)); /* the same slot, another handle */
  CHECK(again != softmax);
  REFUSED(quern_run(softmax, good, 2, 1), BAD, "op was freed");
  OK(quern_close(context));
  REFUSED(quern_close(context), BAD, "context was freed");
  OK(quern_run(again, good, 2, 1)); /* what belongs to a context keeps it */
  REFUSED(quern_op_prepare(context, "softmax x=*x16", NULL, &again), BAD, "context was freed");
}

int main(void) {
  quern_options options = {sizeof options, "none", NULL, NULL, 0};
  CHECK(strcmp(quern_error_message(), "") == 0);
  OK(quern_open(&options, &context));
  OK(quern_op_prepare(context, "softmax x=*x16", NULL, &softmax));
  OK(quern_op_prepare(context, "matmul m=* n=* k=*", NULL, &matmul));
  OK(quern_op_prepare(context, "matmul m=* n=* k=* acc=1", NULL, &adding));
  OK(quern_op_prepare(context, "matmul m=* n=8 k=4 const=b", NULL, &weighted));
  OK(quern_op_prepare(context, "embedding t=* v=* d=*", NULL, &embedding));
  opening();
  preparing();
  asking();
  running();
  layouts();
  adding2();
  operands();
  models();
  freed();
  return checksSaid("malformed");
}
