/* tests/api/sessions.c FOLDER — a model of the folder of test data ($QUERN_SHARED comes first) through the C interface: sessions side by side, texts, what is in use. */
#include "tests/api/Checks.h"

#include <pthread.h>
#include <stdlib.h>

enum { kSessions = 16, kIds = 24 };

static quern_model model;
static int64_t vocab;

/* The ids of session i: all begin alike. */
static void idsOf(int i, int32_t* ids) {
  for (int t = 0; t < kIds; ++t) ids[t] = 1 + (t * 37 + (t > 3 ? i * 13 : 0)) % 400;
}

/* Logits of the last id, fed in pieces that depend on i. */
static float* logitsOf(int i, int threads) {
  int32_t ids[kIds];
  quern_session session = 0;
  float* logits = malloc((size_t)vocab * sizeof *logits);
  idsOf(i, ids);
  int64_t first = 1 + i % (kIds - 1), at = 0;
  int status = quern_session_open(model, threads, &session);
  if (status == QUERN_OK) status = quern_session_feed(session, ids, first, 0, NULL);
  for (int64_t t = first; t < kIds && status == QUERN_OK; ++t) status = quern_session_feed(session, ids + t, 1, 1, logits);
  if (status == QUERN_OK) status = quern_session_position(session, &at);
  if (status == QUERN_OK) status = quern_session_close(session);
  if (status == QUERN_OK && at == kIds) return logits;
  free(logits);
  return NULL;
}

static void* inThread(void* index) { return logitsOf((int)(intptr_t)index, 1); }

static void sideBySide(void) {
  float* alone[kSessions];
  for (int i = 0; i < kSessions; ++i) CHECK((alone[i] = logitsOf(i, 2)) != NULL);
  CHECK(memcmp(alone[0], alone[1], (size_t)vocab * sizeof(float)) != 0);
  pthread_t threads[kSessions];
  for (int i = 0; i < kSessions; ++i) pthread_create(&threads[i], NULL, inThread, (void*)(intptr_t)i);
  for (int i = 0; i < kSessions; ++i) {
    void* logits = NULL;
    pthread_join(threads[i], &logits);
    CHECK(logits != NULL && memcmp(logits, alone[i], (size_t)vocab * sizeof(float)) == 0);
    free(logits), free(alone[i]);
  }
}

static int32_t said[64];
static int saidCount, stopAfter;
static char saidText[4096];
static int keep(void* user, int32_t id, const char* text, size_t bytes) {
  (void)user;
  if (id >= 0) said[saidCount++] = id;
  strncat(saidText, text == NULL ? "" : text, bytes);
  return saidCount == stopAfter;
}

/* The end of a prompt's last piece is asked about too; what a sink may not do while it is told. */
static quern_generation own;
static int endPrompt(void* user, int64_t done, int64_t total) {
  int32_t id = 0;
  const char* text = NULL;
  size_t bytes = 0;
  *(int64_t*)user = total - done;
  REFUSED(quern_generation_next(own, &id, &text, &bytes), QUERN_BAD_COMMAND, "in use by another call");
  return 1;
}
static quern_session within;
static int feedWithin(void* user, int32_t id, const char* text, size_t bytes) {
  int64_t at = -1;
  (void)text, (void)bytes;
  *(int*)user = quern_session_feed(within, &id, 1, 0, NULL);
  OK(quern_session_position(within, &at));
  CHECK(at > 0);
  return 1;
}

static void stops(void) {
  quern_generation generation = 0;
  quern_generate_options options;
  int64_t left = -1, at = -1;
  int32_t prompt[] = {1, 403, 407}, id = 7;
  const char* text = NULL;
  size_t bytes = 0;
  int status = QUERN_OK;
  quern_generate_defaults(&options);
  CHECK(options.size == sizeof options && options.most == -1);
  options.prefilled = endPrompt, options.user = &left;
  OK(quern_session_open(model, 1, &within));
  OK(quern_generation_open(within, prompt, 3, &options, &generation));
  own = generation;
  REFUSED(quern_generation_next(generation, &id, &text, &bytes), QUERN_STOPPED, "a prompt");
  CHECK(left == 0 && id == 7);
  OK(quern_generation_close(generation));
  OK(quern_generate(within, "Once", NULL, feedWithin, &status));
  CHECK(status == QUERN_BAD_COMMAND);
  OK(quern_session_feed(within, prompt, 1, 0, NULL)); /* nobody has it any more */
  OK(quern_session_position(within, &at));
  CHECK(at > 1);
  OK(quern_session_close(within));
}

static void texts(void) {
  quern_session session = 0, other = 0;
  quern_generation generation = 0;
  quern_generate_options options;
  int32_t prompt[32], id = 0;
  int64_t count = 0, at = 0;
  size_t bytes = 0;
  const char* text = NULL;
  char back[64];
  quern_generate_defaults(&options);
  options.most = 12, options.temperature = 0;
  OK(quern_session_open(model, 2, &session));
  OK(quern_session_open(model, 1, &other));
  stopAfter = -1;
  OK(quern_generate(session, "Once upon", &options, keep, NULL));
  CHECK(saidCount == 12 && strlen(saidText) > 5);
  OK(quern_tokenize(model, "Once upon", 9, 0, prompt, 32, &count));
  CHECK(count > 1 && count <= 32);
  OK(quern_generation_open(other, prompt, count, &options, &generation));
  REFUSED(quern_session_feed(other, prompt, 1, 0, NULL), QUERN_BAD_COMMAND, "in use by a generation");
  for (int i = 0; i < 12; ++i) {
    OK(quern_generation_next(generation, &id, &text, &bytes));
    CHECK(id == said[i]);
  }
  for (int i = 0; i < 2; ++i) {
    OK(quern_generation_next(generation, &id, &text, &bytes));
    CHECK(id == -1);
  }
  OK(quern_generation_close(generation));
  REFUSED(quern_generation_next(generation, &id, &text, &bytes), QUERN_BAD_COMMAND, "generation was freed");
  OK(quern_session_feed(other, prompt, 1, 0, NULL));
  saidCount = 0, stopAfter = 3;
  OK(quern_generate(session, "Once upon", &options, keep, NULL));
  CHECK(saidCount == 3);
  OK(quern_detokenize(model, prompt, count, back, sizeof back, &bytes));
  {
    quern_message said[2] = {{"system", "Hi"}, {"user", "you"}}, none = {"user", NULL};
    int32_t chat[64];
    int64_t many = 0;
    OK(quern_chat_ids(model, "deepseek2", said, 2, chat, 64, &many));
    CHECK(many > 4 && many < 64 && chat[0] == 1);
    REFUSED(quern_chat_ids(model, "deepseek2", said, 1, chat, 64, &many), QUERN_BAD_INPUT, "message 1: the last message is a user's");
    REFUSED(quern_chat_ids(model, "deepseek2", &none, 1, chat, 64, &many), QUERN_BAD_COMMAND, "messages[0]: content is NULL");
    REFUSED(quern_chat_ids(model, "none such", said, 2, chat, 64, &many), QUERN_BAD_COMMAND, "--chat-template 'none such' is not known");
  }
  CHECK(bytes == 9 && memcmp(back, "Once upon", 9) == 0);
  OK(quern_session_rewind(session, 0));
  OK(quern_session_position(session, &at));
  CHECK(at == 0);
  REFUSED(quern_session_rewind(session, 5), QUERN_BAD_COMMAND, "position is 5");
  id = (int32_t)vocab;
  REFUSED(quern_session_feed(session, &id, 1, 0, NULL), QUERN_BAD_INPUT, "outside its vocabulary");
  REFUSED(quern_session_feed(session, prompt, 1, 2, back == NULL ? NULL : (float*)prompt), QUERN_BAD_COMMAND, "outputs is 2");
  REFUSED(quern_session_feed(session, prompt, 1, 1, NULL), QUERN_BAD_COMMAND, "logits is NULL");
  REFUSED(quern_session_feed(session, NULL, 1, 0, NULL), QUERN_BAD_COMMAND, "ids");
  options.temperature = -1;
  REFUSED(quern_generate(session, "a", &options, keep, NULL), QUERN_BAD_COMMAND, "temp");
  REFUSED(quern_generate(session, NULL, NULL, keep, NULL), QUERN_BAD_COMMAND, "prompt is NULL");
  REFUSED(quern_generate(session, "a", NULL, NULL, NULL), QUERN_BAD_COMMAND, "sink is NULL");
  OK(quern_model_close(model)); /* its sessions keep it */
  OK(quern_session_feed(session, prompt, 1, 0, NULL));
  OK(quern_session_close(session));
  OK(quern_session_close(other));
}

static int stop(void* user, double done, double total) {
  (void)done, (void)total;
  return ++*(int*)user > 3;
}

int main(int argc, char** argv) {
  quern_context context = 0;
  quern_options options = {sizeof options, "none", NULL, NULL, 0};
  const char* given = getenv("QUERN_SHARED");
  char path[4096];
  if (argc < 2) return 77;
  snprintf(path, sizeof path, "%s/models/stories260K/stories260K.gguf", given == NULL ? argv[1] : given);
  FILE* there = fopen(path, "rb");
  if (there == NULL) return printf("skipped: %s is not there\n", path), 77;
  fclose(there);
  OK(quern_open(&options, &context));
  int told = 0;
  quern_model_options loading = {sizeof loading, NULL, NULL, NULL, 0, 1, stop, &told, NULL};
  REFUSED(quern_model_open(context, path, &loading, &model), QUERN_STOPPED, "stopped");
  const char* adapters[] = {"no-such-adapter.gguf:0.5", NULL};
  loading.adapters = adapters;
  REFUSED(quern_model_open(context, path, &loading, &model), QUERN_BAD_INPUT, "no-such-adapter.gguf: No such file or directory");
  loading.size = offsetof(quern_model_options, adapters); /* a caller from before there were any */
  REFUSED(quern_model_open(context, path, &loading, &model), QUERN_STOPPED, "stopped");
  loading.size = sizeof(size_t);
  REFUSED(quern_model_open(context, path, &loading, &model), QUERN_BAD_COMMAND, "size");
  if (!OK(quern_model_open(context, path, NULL, &model))) return checksSaid("sessions");
  quern_model_info info = {0};
  info.size = sizeof info;
  OK(quern_model_describe(model, &info));
  vocab = info.vocab;
  CHECK(info.has_text == 1 && info.layers > 0 && strcmp(info.architecture, "llama") == 0 && info.session_bytes > 0);
  sideBySide();
  stops();
  texts();
  OK(quern_close(context));
  return checksSaid("sessions");
}
