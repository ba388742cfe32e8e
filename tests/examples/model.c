/* tests/examples/model.c MODEL PROMPT — a text as a model goes on:
 *   cc model.c $(pkg-config --cflags --libs quern) -o example */
#include <quern.h>

#include <stdio.h>
#include <string.h>

static int show(void* user, int32_t id, const char* text, size_t bytes) {
  (void)user, (void)id;
  fwrite(text, 1, bytes, stdout);
  return fflush(stdout) == 0 ? 0 : 1; /* not 0 ends it */
}

static int failed(const char* what) {
  fprintf(stderr, "%s: %s\n", what, quern_error_message());
  return 1;
}

int main(int argc, char** argv) {
  quern_context context;
  quern_model model;
  quern_session session;
  quern_generate_options options;
  if (argc < 3) return fprintf(stderr, "usage: %s MODEL PROMPT\n", argv[0]), 2;
  quern_generate_defaults(&options);
  options.most = 40, options.temperature = 0;
  if (quern_open(NULL, &context)) return failed("opening");
  if (quern_model_open(context, argv[1], NULL, &model)) return failed("loading");
  if (quern_session_open(model, 0, &session)) return failed("a session");
  fputs(argv[2], stdout);
  if (quern_generate(session, argv[2], &options, show, NULL)) return failed("generating");
  puts("");
  quern_session_close(session);
  quern_model_close(model);
  return quern_close(context);
}
