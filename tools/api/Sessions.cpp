// tools/api/Sessions.cpp — sessions, and texts made on them.
#include "tools/api/Models.h"

#include <cstring>
#include <cstring>
#include <fmt/format.h>

namespace quern::api {

// ---- who may call ----

Result<Held> Held::of(std::shared_ptr<OpenSession> session) {
  if (session->madeIn != forks()) return badCommand("the session was opened before a fork(), and its threads are the parent's");
  if (session->busy.exchange(true, std::memory_order_acquire)) return badCommand("the session is in use by another call: one at a time");
  return Held(std::move(session));
}

Result<Held> Held::of(quern_session handle) {
  auto session = heldBy<OpenSession>(handle);
  if (!session) return session.error();
  auto held = of(std::move(*session));
  if (held && (*held)->generating) return badCommand("the session is in use by a generation that is not closed");
  return held;
}

/// What goes on with a text holds its session.
class HeldGeneration {
public:
  static Result<HeldGeneration> of(quern_generation handle) {
    auto generation = heldBy<Generation>(handle);
    if (!generation) return generation.error();
    auto session = Held::of((*generation)->session);
    if (!session) return session.error();
    return HeldGeneration(std::move(*generation), std::move(*session));
  }
  Generation& operator*() const { return *generation_; }

private:
  HeldGeneration(std::shared_ptr<Generation> generation, Held session) : generation_(std::move(generation)), session_(std::move(session)) {}
  std::shared_ptr<Generation> generation_;
  Held session_;
};

// ---- sessions ----

namespace {

Result<void> open(quern_model handle, int threads, quern_session* out) {
  auto model = heldBy<OpenModel>(handle);
  if (!model) return model.error();
  if (auto good = given(out, "out"); !good) return good;
  auto wanted = threadsOf(threads);
  if (!wanted) return wanted.error();
  auto session = Session::make((*model)->model, *wanted);
  if (!session) return session.error();
  auto opened = std::make_shared<OpenSession>();
  opened->model = std::move(*model);
  opened->session = std::move(*session);
  return handOut(std::move(opened), out);
}

Result<void> feed(quern_session handle, const int32_t* ids, int64_t count, int64_t outputs, float* logits) {
  auto session = Held::of(handle);
  if (!session) return session.error();
  if (count < 0 || (count > 0 && ids == nullptr))
    return badCommand(fmt::format("ids: {} at {}", count, ids == nullptr ? "NULL" : "an address"));
  if (outputs < 0 || outputs > count) return badCommand(fmt::format("outputs is {}; 0 to {}, the number of ids, can be", outputs, count));
  if (outputs > 0 && logits == nullptr) return badCommand("logits is NULL, and outputs is not 0");
  if (count == 0) return {};
  auto done = (**session).session->forward(std::span(ids, static_cast<size_t>(count)), (*session)->position, outputs, logits);
  if (!done) return done.error();
  (*session)->position += *done;
  return {};
}

Result<void> rewind(quern_session handle, int64_t position) {
  auto session = Held::of(handle);
  if (!session) return session.error();
  if (position < 0 || position > (*session)->position)
    return badCommand(fmt::format("position is {}; 0 to {}, what is filled, can be", position, (*session)->position));
  if (auto good = (**session).session->checkKept(position); !good) return good;
  (*session)->position = position;
  return {};
}

Result<void> positionOf(quern_session handle, int64_t* position) {
  auto session = heldBy<OpenSession>(handle);
  if (!session) return session.error();
  if (auto good = given(position, "position"); !good) return good;
  *position = (*session)->position;
  return {};
}

Result<SamplerOptions> samplerOf(const quern_generate_options& options) {
  SamplerOptions sampler;
  sampler.temperature = options.temperature, sampler.topK = options.top_k, sampler.topP = options.top_p, sampler.minP = options.min_p;
  sampler.repeatPenalty = options.repeat_penalty, sampler.repeatLast = options.repeat_last, sampler.seed = options.seed;
  if (auto good = checkSampler(sampler); !good) return badCommand(good.error().message);
  return sampler;
}

}  // namespace

// ---- texts ----

Result<std::shared_ptr<Generation>> startGeneration(const Held& session, std::span<const int32_t> prompt,
                                                    const quern_generate_options* given) {
  quern_generate_options usual;
  quern_generate_defaults(&usual);
  auto options = optionsOf(given == nullptr ? &usual : given, "quern_generate_options");
  if (!options) return options.error();
  auto sampler = samplerOf(*options);
  if (!sampler) return sampler.error();
  const OpenModel& model = *session->model;
  const ModelText& words = *model.words;
  int64_t most = options->most > 0 ? options->most : -1;
  auto generator = Generator::make(*session->session, words.drawable(model.model->config().vocab),
                                   {*sampler, most, [&words](int32_t id) { return words.endsAt(id); }});
  if (!generator) return generator.error();
  auto generation = std::make_shared<Generation>(session.shared());
  generation->prompt.assign(prompt.begin(), prompt.end());
  generation->promptIds = static_cast<int64_t>(prompt.size());
  generation->options = *options;
  generation->generator.emplace(std::move(*generator));
  if (words.tokenizer() != nullptr) generation->stream.emplace(*words.tokenizer(), false);
  session->position = 0;
  return generation;
}

static Result<void> prefill(Generation& generation) {
  const quern_generate_options& options = generation.options;
  bool stopped = false;
  auto goOn = [&](int64_t done) {
    stopped = options.prefilled != nullptr && options.prefilled(options.user, done, generation.promptIds) != 0;
    return !stopped;
  };
  auto through = generation.generator->prompt(generation.prompt, goOn);
  if (!through) return through.error();
  generation.session->position = *through;
  if (stopped) return stoppedError("a prompt");
  generation.prompt.clear();
  return {};
}

Result<Said> nextOf(Generation& generation) {
  if (generation.ended) return Said{};
  if (!generation.prompt.empty() || generation.promptIds == 0)
    if (auto good = prefill(generation); !good) {
      generation.ended = true;
      return good.error();
    }
  auto id = generation.generator->next();
  if (!id) return id.error();
  generation.session->position = generation.generator->past();
  if (!*id) {
    generation.ended = true;
    return Said{-1, generation.stream ? generation.stream->flush() : std::string_view()};
  }
  if (!generation.stream) return Said{**id, {}};
  auto text = generation.stream->add(**id);
  if (!text) return text.error();
  return Said{**id, *text};
}

namespace {

Result<void> openGeneration(quern_session handle, const int32_t* prompt, int64_t count, const quern_generate_options* options,
                            quern_generation* out) {
  auto session = Held::of(handle);
  if (!session) return session.error();
  if (auto good = given(out, "out"); !good) return good;
  if (count <= 0 || prompt == nullptr)
    return badCommand(fmt::format("prompt: {} ids at {}; one is needed at least", count, prompt == nullptr ? "NULL" : "an address"));
  auto generation = startGeneration(*session, std::span(prompt, static_cast<size_t>(count)), options);
  if (!generation) return generation.error();
  return handOut(std::move(*generation), out);
}

Result<void> next(quern_generation handle, int32_t* id, const char** text, size_t* bytes) {
  auto generation = HeldGeneration::of(handle);
  if (!generation) return generation.error();
  for (const auto& good : {given(id, "id"), given(text, "text"), given(bytes, "bytes")})
    if (!good) return good;
  auto said = nextOf(**generation);
  if (!said) return said.error();
  *id = said->id, *text = said->text.data(), *bytes = said->text.size();
  return {};
}

Result<void> generate(quern_session handle, const char* prompt, const quern_generate_options* options, quern_token_sink sink, void* user) {
  if (auto good = given(prompt, "prompt"); !good) return good;
  if (sink == nullptr) return badCommand("sink is NULL");
  auto session = Held::of(handle);
  if (!session) return session.error();
  auto tokenizer = (*session)->model->words->needTokenizer();
  if (!tokenizer) return tokenizer.error();
  auto ids = (*tokenizer)->encode(prompt);
  if (!ids) return ids.error();
  if (ids->empty() && (*tokenizer)->bos() >= 0) ids->push_back((*tokenizer)->bos());
  if (ids->empty()) return badCommand("the prompt has no tokens, and the model begins no text by itself");
  auto generation = startGeneration(*session, *ids, options);
  if (!generation) return generation.error();
  while (true) {
    auto said = nextOf(**generation);
    if (!said) return said.error();
    bool more = said->id >= 0;
    if ((more || !said->text.empty()) && sink(user, said->id, said->text.data(), said->text.size()) != 0) return {};
    if (!more) return {};
  }
}

}  // namespace

}  // namespace quern::api

using namespace quern::api;

int quern_session_open(quern_model model, int threads, quern_session* out) {
  noHandleYet(out);
  return answered([&] { return open(model, threads, out); });
}

int quern_session_close(quern_session session) { return freed<OpenSession>(session); }

int quern_session_feed(quern_session session, const int32_t* ids, int64_t count, int64_t outputs, float* logits) {
  return answered([&] { return feed(session, ids, count, outputs, logits); });
}

int quern_session_position(quern_session session, int64_t* position) {
  return answered([&] { return positionOf(session, position); });
}

int quern_session_rewind(quern_session session, int64_t position) {
  return answered([&] { return rewind(session, position); });
}

void quern_generate_defaults_of(quern_generate_options* options, size_t size) {
  if (options == nullptr) return;
  quern::SamplerOptions usual;
  quern_generate_options full = {
      size, -1, usual.temperature, usual.topK, usual.topP, usual.minP, usual.repeatPenalty, usual.repeatLast, 0, nullptr, nullptr};
  std::memcpy(options, &full, size < sizeof full ? size : sizeof full);
}

int quern_generation_open(quern_session session, const int32_t* prompt, int64_t count, const quern_generate_options* options,
                          quern_generation* out) {
  noHandleYet(out);
  return answered([&] { return openGeneration(session, prompt, count, options, out); });
}

int quern_generation_next(quern_generation generation, int32_t* id, const char** text, size_t* bytes) {
  return answered([&] { return next(generation, id, text, bytes); });
}

int quern_generation_close(quern_generation generation) { return freed<Generation>(generation); }

int quern_generate(quern_session session, const char* prompt, const quern_generate_options* options, quern_token_sink sink, void* user) {
  return answered([&] { return generate(session, prompt, options, sink, user); });
}
