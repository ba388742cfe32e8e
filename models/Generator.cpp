// models/Generator.cpp — see Generator.h.
#include "models/Generator.h"

#include "compiler/base/Text.h"

#include <fmt/format.h>

namespace quern {

Generator::Generator(Session& session, int64_t drawable, GeneratorOptions options, Sampler sampler)
    : session_(session),
      drawable_(drawable),
      options_(std::move(options)),
      sampler_(std::move(sampler)),
      logits_(static_cast<size_t>(session.config().vocab)) {}

Result<Generator> Generator::make(Session& session, int64_t drawable, GeneratorOptions options) {
  auto sampler = Sampler::make(options.sampler, drawable);
  if (!sampler) return sampler.error();
  return Generator(session, drawable, std::move(options), std::move(*sampler));
}

Result<int64_t> Generator::prompt(std::span<const int32_t> ids, const Session::GoOn& goOn, int64_t kept) {
  auto count = static_cast<int64_t>(ids.size());
  if (count == 0) return badInput("a prompt without tokens: what comes next?");
  if (count > session_.context()) return badInput(fmt::format("the prompt has {} tokens, the context {}", count, session_.context()));
  for (int32_t id : ids) sampler_.accept(id);
  auto through = session_.forward(ids.subspan(static_cast<size_t>(kept)), kept, 1, logits_.data(), goOn);
  if (!through) return through;
  past_ = kept + *through;
  return past_;
}

Result<std::optional<int32_t>> Generator::next() {
  auto end = [&](End why) {
    ended_ = why;
    return std::optional<int32_t>();
  };
  if (ended_ != End::None) return std::optional<int32_t>();
  if (options_.count >= 0 && made_ >= options_.count) return end(End::Count);
  if (waiting_) {
    if (past_ == session_.context()) return end(End::Context);
    const int32_t id[] = {*waiting_};
    if (auto good = session_.forward(id, past_, 1, logits_.data()); !good) return good.error();
    ++past_;
    waiting_.reset();
  }
  auto drawn = sampler_.next(std::span(logits_).first(static_cast<size_t>(drawable_)));
  if (!drawn)
    return badInput(fmt::format("{}: {}; `quern info --check` says whether its weights are numbers",
                                escaped(session_.model().source().weights.label()), drawn.error().message));
  if (options_.endsAt && options_.endsAt(*drawn)) return end(End::Text);
  ++made_;
  sampler_.accept(*drawn);
  waiting_ = *drawn;
  return std::optional<int32_t>(*drawn);
}

}  // namespace quern
