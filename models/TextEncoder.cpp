// models/TextEncoder.cpp — see TextEncoder.h.
#include "models/TextEncoder.h"

#include "compiler/base/Text.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <mutex>

namespace quern {

/// Texts that lanes take from, the first ones first.
struct TextEncoder::Job {
  Texts texts;
  int64_t chunk = 0, lanes = 0, left = 0;  ///< rows at most of a chunk; who takes; rows that nobody took yet
  bool normalised = false;
  float* vectors = nullptr;
  const GoOn& goOn;
  std::mutex mutex;
  size_t taken = 0, done = 0;
  bool stopped = false;

  /// What fits into a chunk: fewer rows towards the end, so that all are ready at nearly one time.
  Texts take() {
    constexpr int64_t kLeast = 128;
    std::lock_guard lock(mutex);
    int64_t most = lanes == 1 ? chunk : std::min(chunk, std::max(kLeast, left / (2 * lanes))), rows = 0;
    size_t first = taken;
    for (; !stopped && taken < texts.size(); ++taken) {
      auto more = static_cast<int64_t>(texts[taken].size());
      if (taken > first && rows + more > most) break;
      rows += more;
    }
    left -= rows;
    return texts.subspan(first, taken - first);
  }
  void finish(size_t count) {
    std::lock_guard lock(mutex);
    done += count;
    if (goOn && !stopped && !goOn(done)) stopped = true;
  }
};

Result<TextEncoder::Lane> TextEncoder::lane(int threads) const {
  auto plan = PlanSession::make(model_->plan(), threads);
  if (!plan) return plan.error();
  Lane made;
  made.plan = std::move(*plan);
  made.rows.resize(static_cast<size_t>(model_->chunk() * model_->config().width));
  made.sums.resize(static_cast<size_t>(model_->config().width));
  // A chunk of the shortest texts: no allocation later on, whoever takes which.
  made.ids.reserve(static_cast<size_t>(model_->chunk()));
  made.positions.reserve(static_cast<size_t>(model_->chunk()));
  made.texts.reserve(static_cast<size_t>(model_->chunk()));
  return made;
}

Result<std::unique_ptr<TextEncoder>> TextEncoder::make(std::shared_ptr<const Model> model, int threads) {
  if (!model->config().encoder)
    return badInput(fmt::format("{}: is a decoder, which goes on with texts; vectors of texts are made by encoders",
                                escaped(model->source().weights.label())));
  std::unique_ptr<TextEncoder> encoder(new TextEncoder(std::move(model), threads));
  auto lane = encoder->lane(threads);
  if (!lane) return lane.error();
  encoder->together_ = std::move(*lane);
  return encoder;
}

Result<void> TextEncoder::check(std::span<const std::vector<int32_t>> texts) const {
  for (size_t i = 0; i < texts.size(); ++i) {
    auto bad = [&](const std::string& why) {
      return badInput(fmt::format("{}: text {} {}", escaped(model_->source().weights.label()), i + 1, why));
    };
    auto count = static_cast<int64_t>(texts[i].size());
    if (count == 0) return bad("has no tokens");
    if (count > model_->context()) return bad(fmt::format("has {} tokens, more than the context of {}", count, model_->context()));
    for (int32_t id : texts[i])
      if (id < 0 || id >= model_->config().vocab)
        return bad(fmt::format("has token {}, which is outside the vocabulary of {}", id, model_->config().vocab));
  }
  return {};
}

bool TextEncoder::apart(Texts texts) const {
  constexpr int64_t kRows = 128;  // of a thread: fewer wait for weights more than threads for each other
  int64_t rows = 0;
  for (const std::vector<int32_t>& text : texts) rows += static_cast<int64_t>(text.size());
  return threads_ > 1 && texts.size() >= 2 * static_cast<size_t>(threads_) && rows >= kRows * threads_;
}

Result<size_t> TextEncoder::encode(Texts texts, bool normalised, float* vectors, const GoOn& goOn) {
  if (auto good = check(texts); !good) return good.error();
  Job job{.texts = texts, .chunk = model_->chunk(), .lanes = 1, .normalised = normalised, .vectors = vectors, .goOn = goOn};
  if (!apart(texts)) {
    encode(together_, job);
    return job.done;
  }
  while (apart_.size() < static_cast<size_t>(threads_)) {
    auto made = lane(1);
    if (!made) return made.error();
    apart_.push_back(std::move(*made));
  }
  job.lanes = threads_;
  for (const std::vector<int32_t>& text : texts) job.left += static_cast<int64_t>(text.size());
  struct Context {
    TextEncoder& encoder;
    Job& job;
  } context{*this, job};
  auto task = [](void* given, int /*thread*/, int64_t begin, int64_t end) {
    auto& [encoder, of] = *static_cast<Context*>(given);
    for (int64_t i = begin; i < end; ++i) encoder.encode(encoder.apart_[static_cast<size_t>(i)], of);
  };
  together_.plan->pool().run(threads_, task, &context);
  return job.done;
}

void TextEncoder::encode(Lane& lane, Job& job) const {
  for (Texts some = job.take(); !some.empty(); some = job.take()) {
    forward(lane, some);
    float* vector = job.vectors + (some.data() - job.texts.data()) * model_->config().width;
    for (const PlanSession::Group& text : lane.texts) {
      pool(lane, text, job.normalised, vector);
      vector += model_->config().width;
    }
    job.finish(some.size());
  }
}

void TextEncoder::forward(Lane& lane, Texts texts) const {
  auto first = static_cast<int32_t>(model_->config().firstPosition);
  lane.ids.clear(), lane.positions.clear(), lane.texts.clear();
  for (const std::vector<int32_t>& text : texts) {
    lane.texts.push_back({0, static_cast<int64_t>(lane.ids.size()), static_cast<int64_t>(text.size())});
    lane.ids.insert(lane.ids.end(), text.begin(), text.end());
    for (size_t i = 0; i < text.size(); ++i) lane.positions.push_back(first + static_cast<int32_t>(i));
  }
  auto rows = static_cast<int64_t>(lane.ids.size());
  lane.plan->setGroups(model_->texts(), lane.texts);
  // No positions of a cache, none past: rows, positions, outputs, past, first output.
  const std::array<int64_t, 5> sizes = {rows, 0, rows, 0, 0};
  lane.plan->run(sizes, {lane.ids.data(), lane.rows.data(), lane.positions.data(), nullptr});
}

void TextEncoder::pool(Lane& lane, const PlanSession::Group& text, bool normalised, float* vector) const {
  int64_t width = model_->config().width, count = model_->config().pooling == Pooling::First ? 1 : text.rows;
  std::vector<double>& sums = lane.sums;
  sums.assign(static_cast<size_t>(width), 0.0);
  for (int64_t r = 0; r < count; ++r) {
    const float* row = lane.rows.data() + (text.first + r) * width;
    for (int64_t d = 0; d < width; ++d) sums[static_cast<size_t>(d)] += double{row[d]};
  }
  double size = 0;
  for (int64_t d = 0; d < width; ++d) {
    vector[d] = static_cast<float>(sums[static_cast<size_t>(d)] / static_cast<double>(count));
    size += double{vector[d]} * double{vector[d]};
  }
  for (int64_t d = 0; d < width && normalised && size > 0; ++d) vector[d] = static_cast<float>(double{vector[d]} / std::sqrt(size));
}

}  // namespace quern
