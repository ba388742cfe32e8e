// models/Session.cpp — see Session.h.
#include "models/Session.h"

#include "compiler/base/Text.h"

#include <algorithm>
#include <fmt/format.h>

namespace quern {

Result<std::unique_ptr<Session>> Session::make(std::shared_ptr<const Model> model, int threads) {
  if (model->config().encoder)
    return badInput(fmt::format("{}: is an encoder, which makes vectors of texts and goes on with none; quern embed makes them",
                                escaped(model->source().weights.label())));
  auto plan = PlanSession::make(model->plan(), threads);
  if (!plan) return plan.error();
  return std::unique_ptr<Session>(new Session(std::move(model), std::move(*plan)));
}

Result<std::unique_ptr<Session>> Session::load(ModelSource source, const KernelProvider& kernels, const ModelOptions& options) {
  auto model = Model::load(std::move(source), kernels, options);
  return model ? make(std::move(*model), options.threads) : Result<std::unique_ptr<Session>>(model.error());
}

Result<int64_t> Session::forward(std::span<const int32_t> ids, int64_t past, int64_t outputs, float* logits, const GoOn& goOn) {
  auto rows = static_cast<int64_t>(ids.size());
  auto bad = [&](const std::string& why) { return badInput(fmt::format("{}: {}", escaped(model_->source().weights.label()), why)); };
  if (past < 0 || rows > context() - past)
    return bad(fmt::format("positions {} to {} are outside its context of {}", past, past + rows - 1, context()));
  if (outputs < 0 || outputs > rows || (outputs > 0 && logits == nullptr))
    return bad(fmt::format("logits of {} of {} tokens are asked for", outputs, rows));
  for (int32_t id : ids)
    if (id < 0 || id >= config().vocab) return bad(fmt::format("token {} is outside its vocabulary of {}", id, config().vocab));
  if (auto good = checkKept(past); !good) return good.error();
  if (past == 0) lost_ = 0;
  if (rows > 0) model_->reach(past + rows);
  int64_t chunk = model_->chunk();
  int64_t done = 0;
  while (done < rows) {
    int64_t now = std::min(chunk, rows - done);
    // Of the wanted rows, those in this piece.
    int64_t wanted = std::clamp<int64_t>(done + now - (rows - outputs), 0, now);
    lost_ = std::max(lost_, model_->plan()->lost(past + done + now));
    plan_->run(ForwardSizes{now, past + done, wanted}.dimensions(), {ids.data() + done, logits, nullptr, nullptr});
    if (logits != nullptr) logits += wanted * config().vocab;
    done += now;
    if (goOn && !goOn(done)) break;
  }
  return done;
}

Result<void> Session::checkKept(int64_t past) const {
  if (keeps(past)) return {};
  return badInput(
      fmt::format("{}: position {} is no longer in the caches of layers with windows; a text goes on at its end, or begins at 0",
                  escaped(model_->source().weights.label()), past));
}

std::vector<std::span<std::byte>> Session::cached(int64_t count) {
  std::vector<std::span<std::byte>> out;
  for (size_t i = 0; i < plan_->plan().persistentRows().size(); ++i) out.push_back(plan_->persistentRows(i, count));
  return out;
}

}  // namespace quern
