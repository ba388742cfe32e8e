// tools/recorded/RecordedModels.cpp — see RecordedModels.h.
#include "tools/recorded/RecordedModels.h"

#include "compiler/base/Text.h"

#include <fmt/format.h>

namespace quern {

Result<ModelConfig> configOf(const RecordModel& model, int32_t seed) {
  ModelConfig config;
  config.name = model.id;
  config.vocab = model.vocab;
  config.context = model.context;
  config.width = model.width;
  config.layers = model.layers;
  config.heads = model.heads;
  config.hidden = 4 * model.width;
  config.gelu = model.gelu;
  config.seed = seed;
  std::string subject = fmt::format("{}: model '{}'", model.at, escaped(model.id));
  if (auto good = config.validate(subject); !good) return good.error();
  if (model.workload != "full-forward")
    return badInput(fmt::format("{}: workload '{}' is not known; full-forward is", subject, escaped(model.workload)));
  if (model.prompt + model.steps - 1 > model.context)
    return badInput(
        fmt::format("{}: prompt {} and steps {} do not fit its context of {}", subject, model.prompt, model.steps, model.context));
  return config;
}

}  // namespace quern
