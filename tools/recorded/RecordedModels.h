// tools/recorded/RecordedModels.h — the model of a recording's [[model]] table.
#pragma once

#include "models/ModelConfig.h"
#include "tools/report/RecordFile.h"

namespace quern {

/// Errors   BadInput naming the model and the field.
Result<ModelConfig> configOf(const RecordModel& model, int32_t seed);

}  // namespace quern
