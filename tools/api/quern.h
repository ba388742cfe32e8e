/* tools/api/quern.h — Quern from C (C99) and from whatever calls C: kernels for ops, and models that run on them.
 *
 *   quern_context context;
 *   quern_op op;
 *   float x[2 * 4] = {1, 2, 3, 4, 5, 6, 7, 8}, y[2 * 4];
 *   int64_t shape[] = {2, 4};
 *   quern_array arrays[] = {{.data = x, .shape = shape, .rank = 2}, {.data = y, .shape = shape, .rank = 2}};
 *   if (quern_open(NULL, &context) || quern_op_prepare(context, "softmax x=*x4", NULL, &op) || quern_run(op, arrays, 2, 1))
 *     return fail(quern_error_message());
 *
 * Errors    Every function but those that return text returns a quern_status: QUERN_OK is 0. What went wrong quern_error_message() says.
 *           Nothing here prints, ends the program or throws. Where a function fails nothing has changed, and what it should have written
 *           is as it was, but for a handle, which is 0.
 * Handles   Not addresses: a handle that was freed, or never was one, is an error of the call. What belongs to another handle keeps that
 *           alive: a context may be closed while its ops and models are in use. Freeing a handle that another thread is calling with is
 *           allowed; that call goes on to its end.
 * Threads   Any function may be called from any thread, at once, except where it says "one at a time": a second call on the same handle
 *           then is an error (QUERN_BAD_COMMAND), not a race. Bits do not depend on threads, nor on what else runs.
 * fork()    Handles of the parent work in a child only for calls on one thread; sessions not at all.
 * Text      Is UTF-8 and ends with a 0 byte, except where bytes are counted. Texts given out live as long as their handle.
 */
#ifndef QUERN_H
#define QUERN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define QUERN_API __attribute__((visibility("default")))

/* ---- errors ---- */

/* As the exit statuses of the program. */
typedef enum quern_status {
  QUERN_OK = 0,
  QUERN_BAD_COMMAND = 2, /* an argument, or an op, schedule or CPU text, is wrong: the message says what would be right */
  QUERN_BAD_INPUT = 3,   /* an array or a file is wrong */
  QUERN_MACHINE = 4,     /* the machine refused or lacks something: memory, a file, a feature, the compiler */
  QUERN_INTERNAL = 70,   /* a bug of ours */
  QUERN_STOPPED = 130    /* a callback asked for the end */
} quern_status;

/* Of the last call in this thread that failed; "" where none did. Lives until the next one fails. */
QUERN_API const char* quern_error_message(void);
/* "0.1.0" */
QUERN_API const char* quern_version(void);

/* Takes a line of what the library has to say: `kind` is "warning", "dispatch", "cache", "tune" or "perf". Called from any thread, several
 * at a time; it calls no function of this library. NULL: nobody listens, as at the start. */
typedef void (*quern_log_sink)(void* user, const char* kind, const char* message);
/* `topics`: "dispatch,cache,tune,perf", some of them; NULL or "": warnings alone. For the whole process. */
QUERN_API int quern_set_log(quern_log_sink sink, void* user, const char* topics);

/* ---- where kernels come from ---- */

typedef struct quern_context_s* quern_context;

/* All 0: as the program does without flags. `size` is sizeof(quern_options): what is behind it is 0. */
typedef struct quern_options {
  size_t size;
  const char* cache;  /* DIR[:DIR...]: the first is written, the others read; "none"; NULL: $QUERN_CACHE_DIR, else ~/.cache/quern */
  const char* bundle; /* a folder that `quern emit` wrote: its kernels come first, and need no compiler */
  const char* cpu;    /* NULL: this one; or a narrower one, by name or file; "host -gfni": without a feature */
  int no_compiler;    /* not 0: what neither cache nor bundle has is an error (as where QUERN_NO_COMPILER is set) */
} quern_options;

/* `options` may be NULL. LLVM is loaded when the first kernel must be compiled, and not before.
 * Errors: BAD_COMMAND: a CPU that is not known; BAD_INPUT: a bundle that is none; MACHINE: a CPU that this machine does not contain. */
QUERN_API int quern_open(const quern_options* options, quern_context* out);
QUERN_API int quern_close(quern_context context);

/* ---- arrays ---- */

typedef enum quern_type {
  QUERN_F32 = 0,
  QUERN_I32 = 1,
  QUERN_F16 = 2,
  QUERN_BF16 = 3,
  QUERN_Q8_0 = 4,
  QUERN_Q4_0 = 5,
  QUERN_Q4_K = 6,
  QUERN_Q6_K = 7,
  QUERN_I8 = 8,
  QUERN_U8 = 9,
  QUERN_I16 = 10,
  QUERN_U16 = 11,
  QUERN_F64 = 12,
  QUERN_Q8 = 13, /* rows that an op with out=q8 hands on */
  QUERN_I64 = 14,
  QUERN_BOOL = 15, /* a byte: 0, or anything else for true; 1 is written */
  QUERN_U32 = 16,
  QUERN_U64 = 17,
  QUERN_Q4_1 = 18, /* weights in blocks, as GGUF has them; so are the following */
  QUERN_Q5_0 = 19,
  QUERN_Q5_1 = 20,
  QUERN_Q2_K = 21,
  QUERN_Q3_K = 22,
  QUERN_Q5_K = 23,
  QUERN_IQ4_NL = 24,
  QUERN_IQ4_XS = 25,
  QUERN_MXFP4 = 26
} quern_type;

typedef struct quern_weight_s* quern_weight;

/* An array of the caller's. Nothing of it is kept behind the call. */
typedef struct quern_array {
  void* data;             /* of an input it is only read; may be NULL where there are no elements */
  const int64_t* shape;   /* `rank` extents */
  const int64_t* strides; /* in elements, `rank` of them, the last 1; NULL: dense row-major. Not negative, and 0 only in inputs. Which
                             operands may be other than dense quern_operand says */
  int32_t rank;           /* 0: a single value */
  int32_t type;           /* a quern_type */
  quern_weight weight;    /* packed by quern_pack, in place of data; else 0 */
} quern_array;

/* ---- ops ---- */

/* What an op runs with here: immutable. */
typedef struct quern_op_s* quern_op;

/* `text`: as `quern ops` explains, "matmul m=* n=768 k=768 const=b ep=bias"; * is a dimension that every call may have another of.
 * `schedule`: NULL: the bundle's, else pinned, else tuned here, else the default; "default"; "tuned"; or the text of one.
 * However many threads and processes ask for the same, it is compiled once.
 * Errors: BAD_COMMAND: the text, the schedule; MACHINE: it must be compiled and cannot be. */
QUERN_API int quern_op_prepare(quern_context context, const char* text, const char* schedule, quern_op* out);
/* The same where dimensions that `text` leaves out come from the shapes of inputs ("softmax axis=0", "add"), and a cast's from= from the
 * array's type; data are not looked at. Sizes stay open where they may: one op serves all arrays of these ranks, except that an extent of 1
 * stays 1. What was tuned or pinned for exactly these sizes is taken before that. Errors: BAD_INPUT too: ranks or shapes that the op does
 * not take. */
QUERN_API int quern_op_prepare_for(quern_context context, const char* text, const quern_array* inputs, int count, const char* schedule,
                                   quern_op* out);
QUERN_API int quern_op_free(quern_op op);

typedef struct quern_op_info {
  size_t size;               /* sizeof(quern_op_info), set by the caller */
  const char* text;          /* the op, all keys in order */
  const char* schedule;      /* of its kernel for calls of any size */
  const char* schedule_from; /* "bundle", "pinned", "tuned", "default", "given" */
  const char* kernel_from;   /* "bundle", "cache", "compiled" */
  const char* contract;      /* what its code may execute: "x86-64-v4 + avx512_vnni" */
  int inputs;                /* quern_run takes so many, then the output */
} quern_op_info;
QUERN_API int quern_op_describe(quern_op op, quern_op_info* info);

enum { QUERN_MAX_RANK = 8 };
typedef struct quern_operand {
  size_t size;                   /* sizeof(quern_operand), set by the caller */
  const char* name;              /* as `quern ops` calls it */
  int64_t shape[QUERN_MAX_RANK]; /* -1: any */
  int32_t rank;
  int32_t type;
  int32_t strided; /* how many of its leading strides may be others than a dense array's: rank - 1, or 0 */
  int32_t packed;  /* 1: a weight that quern_pack packs; given as it is it is packed anew in every call */
} quern_operand;
/* Input `index`, or the output where that is the number of inputs. */
QUERN_API int quern_op_operand(quern_op op, int index, quern_operand* operand);
/* The output's shape for inputs of these shapes; data are not looked at. `shape` has room for QUERN_MAX_RANK. */
QUERN_API int quern_op_output_shape(quern_op op, const quern_array* inputs, int count, int64_t* shape, int* rank);

/* Runs the op: `arrays` are its inputs in order, then its output (an op with acc=1 adds to what lies there; its input C is then the same
 * array or one to begin from, which is copied). `threads`: 1: all on this thread; more: of the context's own, this one among them, where
 * the work is worth it; 0: as many as this process has CPUs.
 * Errors: BAD_INPUT: an array's type, rank, shape, layout or address, an output that overlaps an input (from its first element to its
 * last: views of one buffer that lie in turn do too), an id that names no row; by name.
 * Cost: about 0.1 us beside the kernel, and no allocation, where a call before had the same shapes. */
QUERN_API int quern_run(quern_op op, const quern_array* arrays, int count, int threads);

/* Runs task(data, thread, begin, end) so that [0, count) is covered once, in pieces of any size, and returns when all is done; `thread` is
 * below `threads`, and no two pieces run at once with the same. */
typedef void (*quern_task)(void* data, int thread, int64_t begin, int64_t end);
typedef struct quern_runner {
  void (*run)(void* user, int64_t count, quern_task task, void* data);
  void* user;
  int threads; /* how many it has */
} quern_runner;
/* The same on the caller's own threads: runner->run is called once for each phase of the kernel that has work. */
QUERN_API int quern_run_on(quern_op op, const quern_array* arrays, int count, const quern_runner* runner);

/* Packs input `index`, a weight, as the op's kernels read it: once, for any number of calls with this op, or another that packs it alike.
 * `array` is dense and is not needed any more behind the call. Errors: BAD_INPUT; BAD_COMMAND: the input is none that is packed. */
QUERN_API int quern_pack(quern_op op, int index, const quern_array* array, quern_weight* out);
QUERN_API int quern_weight_free(quern_weight weight);

/* ---- models ---- */

typedef struct quern_model_s* quern_model;     /* weights and plan: immutable, shared by its sessions */
typedef struct quern_session_s* quern_session; /* one sequence: its KV cache, its position, its threads */

typedef struct quern_model_options {
  size_t size;         /* sizeof(quern_model_options) */
  const char* compute; /* "exact", "fast", "tile"; NULL: "fast" where the weights are stored below f32 and this CPU gains by it */
  const char* order;   /* "tile32", "pairs": how products of bf16 are added up; NULL: as the CPU has it */
  const char* kv;      /* what KV caches keep: "f32", "f16", "bf16", "q8"; NULL: "f32", or the bundle's */
  int64_t context;     /* positions of a KV cache; 0: the model's own */
  int threads;         /* that read and pack; 0: as many as this process has CPUs */
  /* Bytes; not 0 ends the loading: QUERN_STOPPED. Called by a thread of the library's, while the caller's waits. May be NULL */
  int (*progress)(void* user, double done, double total);
  void* user;
  const char* const*
      adapters; /* LoRA on top of the model: FILE or FILE:SCALE each, PEFT's folder or GGUF, NULL behind the last; NULL: none */
} quern_model_options;

/* `path`: a .gguf file, or a folder with config.json and *.safetensors; NULL: the model in the context's bundle.
 * Errors: BAD_INPUT: the files, by name, field and value; BAD_COMMAND: options; MACHINE: memory, a kernel that cannot be made. */
QUERN_API int quern_model_open(quern_context context, const char* path, const quern_model_options* options, quern_model* out);
QUERN_API int quern_model_close(quern_model model);

typedef struct quern_model_info {
  size_t size;                            /* sizeof(quern_model_info), set by the caller */
  const char* architecture;               /* "llama" */
  int64_t vocab;                          /* logits of a position; ids are below it */
  int64_t context;                        /* positions of a session */
  int64_t layers, width, heads, kv_heads; /* heads of layers that differ: the most */
  int64_t weight_bytes, session_bytes;    /* memory: of the model once, of the KV cache of each session */
  int32_t begin;                          /* the id that begins a text; -1: none */
  int32_t has_text;                       /* 1: there is a tokenizer */
  const char* arithmetic;                 /* what products compute in: "q8_0 a=q8, f32 a=f32" */
} quern_model_info;
QUERN_API int quern_model_describe(quern_model model, quern_model_info* info);

enum {
  QUERN_NO_BEGIN = 1, /* without the begin-of-text that the model's files ask for */
  QUERN_SPECIAL = 2   /* control tokens spelled in the text are read as themselves */
};
/* The ids of `bytes` bytes of text. `count` gets how many there are; the first `capacity` of them are written (NULL with 0). */
QUERN_API int quern_tokenize(quern_model model, const char* text, size_t bytes, int flags, int32_t* ids, int64_t capacity, int64_t* count);
/* The bytes of ids, control tokens left out; not always UTF-8. `bytes` gets how many there are; the first `capacity` are written, no 0. */
QUERN_API int quern_detokenize(quern_model model, const int32_t* ids, int64_t count, char* text, size_t capacity, size_t* bytes);

/* One message of a conversation: UTF-8, ended by 0. Roles: "system" (the first or none), "user", "assistant". */
typedef struct quern_message {
  const char* role;
  const char* content;
} quern_message;
/* The ids of a conversation up to where the model answers its last message, a user's: as the model's own chat template writes it (`family`
 * NULL), or that of a family, by the names of `quern chat --chat-template`. Control tokens that a content spells are text. `ids` as
 * quern_tokenize has it. Errors: BAD_INPUT: no template, or one that is not known; an order that it refuses. */
QUERN_API int quern_chat_ids(quern_model model, const char* family, const quern_message* messages, int64_t count_messages, int32_t* ids,
                             int64_t capacity, int64_t* count);

/* `threads`: 0: as many as this process has CPUs. */
QUERN_API int quern_session_open(quern_model model, int threads, quern_session* out);
QUERN_API int quern_session_close(quern_session session);
/* Runs ids at the next positions. `logits` gets those of the last `outputs` ids, [outputs, vocab]; NULL with 0. One at a time.
 * The same ids in one piece or in many give the same bits. Errors: BAD_INPUT: an id, positions beyond the context. */
QUERN_API int quern_session_feed(quern_session session, const int32_t* ids, int64_t count, int64_t outputs, float* logits);
/* How many positions are filled, behind the last call that ended. */
QUERN_API int quern_session_position(quern_session session, int64_t* position);
/* Forgets what is at `position` and behind: the next ids go there. One at a time. Errors: BAD_INPUT: layers with a sliding window keep the
 * last positions only, and what stood before `position` is no longer there; 0 always goes. */
QUERN_API int quern_session_rewind(quern_session session, int64_t position);

typedef struct quern_generate_options {
  size_t size;        /* sizeof(quern_generate_options) */
  int64_t most;       /* new ids at most; -1, or 0: until the text ends or the context is full */
  double temperature; /* 0: the likeliest */
  int64_t top_k;      /* 0: all */
  double top_p, min_p;
  double repeat_penalty; /* 1: none */
  int64_t repeat_last;
  uint64_t seed;
  int (*prefilled)(void* user, int64_t done, int64_t total); /* behind each piece of the prompt; not 0: QUERN_STOPPED. May be NULL */
  void* user;
} quern_generate_options;
/* Those of `quern generate`, with seed 0: temperature 0.8, top-k 40, top-p 0.95, min-p 0.05, no penalty. `size` is sizeof(*options) as the
 * caller knows it, and is set too. */
QUERN_API void quern_generate_defaults_of(quern_generate_options* options, size_t size);
static inline void quern_generate_defaults(quern_generate_options* options) { quern_generate_defaults_of(options, sizeof *options); }

/* A text as the model goes on, id by id; it has its session to itself: other calls on that are errors while it is open. */
typedef struct quern_generation_s* quern_generation;
/* The session begins anew with these ids, which run in the first quern_generation_next. `options` may be NULL. */
QUERN_API int quern_generation_open(quern_session session, const int32_t* prompt, int64_t count, const quern_generate_options* options,
                                    quern_generation* out);
/* The next id, and what can be printed with it: whole characters, perhaps none yet (NULL and 0 where the model has no tokenizer). At the
 * end id is -1, with what is left of an unfinished character. The text lives until the next call. One at a time. */
QUERN_API int quern_generation_next(quern_generation generation, int32_t* id, const char** text, size_t* bytes);
QUERN_API int quern_generation_close(quern_generation generation);

/* Told every new id with its text; not 0 ends it, which is no error. */
typedef int (*quern_token_sink)(void* user, int32_t id, const char* text, size_t bytes);
/* All of it in one call: tokenizes `prompt`, and goes on. One at a time. */
QUERN_API int quern_generate(quern_session session, const char* prompt, const quern_generate_options* options, quern_token_sink sink,
                             void* user);

#ifdef __cplusplus
}
#endif
#endif
