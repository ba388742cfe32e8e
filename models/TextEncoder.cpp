// models/TextEncoder.cpp — see TextEncoder.h.
#include "models/TextEncoder.h"

#include "compiler/base/Text.h"

#include <cmath>
#include <fmt/format.h>

namespace quern {

TextEncoder::TextEncoder(std::shared_ptr<const Model> model, std::unique_ptr<PlanSession> plan)
    : model_(std::move(model)), plan_(std::move(plan)), rows_(static_cast<size_t>(model_->chunk() * model_->config().width)) {}

Result<std::unique_ptr<TextEncoder>> TextEncoder::make(std::shared_ptr<const Model> model, int threads) {
  if (!model->config().encoder)
    return badInput(fmt::format("{}: is a decoder, which goes on with texts; vectors of texts are made by encoders",
                                escaped(model->source().weights.label())));
  auto plan = PlanSession::make(model->plan(), threads);
  if (!plan) return plan.error();
  return std::unique_ptr<TextEncoder>(new TextEncoder(std::move(model), std::move(*plan)));
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

Result<size_t> TextEncoder::encode(std::span<const std::vector<int32_t>> texts, bool normalised, float* vectors, const GoOn& goOn) {
  if (auto good = check(texts); !good) return good.error();
  auto first = static_cast<int32_t>(model_->config().firstPosition);
  size_t done = 0;
  while (done < texts.size()) {
    ids_.clear(), positions_.clear(), texts_.clear();
    size_t end = done;
    for (; end < texts.size() && static_cast<int64_t>(ids_.size() + texts[end].size()) <= model_->chunk(); ++end) {
      texts_.push_back({0, static_cast<int64_t>(ids_.size()), static_cast<int64_t>(texts[end].size())});
      for (size_t i = 0; i < texts[end].size(); ++i) {
        ids_.push_back(texts[end][i]);
        positions_.push_back(first + static_cast<int32_t>(i));
      }
    }
    auto rows = static_cast<int64_t>(ids_.size());
    plan_->setGroups(model_->texts(), texts_);
    // No positions of a cache, none past: rows, positions, outputs, past, first output.
    const std::array<int64_t, 5> sizes = {rows, 0, rows, 0, 0};
    plan_->run(sizes, {ids_.data(), rows_.data(), positions_.data(), nullptr});
    for (const PlanSession::Group& text : texts_) {
      pool(text, normalised, vectors);
      vectors += model_->config().width;
    }
    done = end;
    if (goOn && !goOn(done)) break;
  }
  return done;
}

void TextEncoder::pool(const PlanSession::Group& text, bool normalised, float* vector) {
  int64_t width = model_->config().width, count = model_->config().pooling == Pooling::First ? 1 : text.rows;
  sums_.assign(static_cast<size_t>(width), 0.0);
  for (int64_t r = 0; r < count; ++r) {
    const float* row = rows_.data() + (text.first + r) * width;
    for (int64_t d = 0; d < width; ++d) sums_[static_cast<size_t>(d)] += double{row[d]};
  }
  double size = 0;
  for (int64_t d = 0; d < width; ++d) {
    vector[d] = static_cast<float>(sums_[static_cast<size_t>(d)] / static_cast<double>(count));
    size += double{vector[d]} * double{vector[d]};
  }
  for (int64_t d = 0; d < width && normalised && size > 0; ++d) vector[d] = static_cast<float>(double{vector[d]} / std::sqrt(size));
}

}  // namespace quern
