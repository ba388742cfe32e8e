// tools/quern/commands/Workloads.h — what `tune` takes, as workloads: an op, a suite, a baseline's rows and models.
#pragma once

#include "compiler/base/Result.h"
#include "compiler/op/Workload.h"
#include "models/ModelSource.h"

#include <string>

namespace quern {

Workload opWorkload(const OpDesc& op);
Result<Workload> suiteWorkload(const std::string& nameOrPath);
Result<Workload> baselineWorkload(const std::string& nameOrPath);
Result<Workload> modelWorkload(const ModelSource& source);

}  // namespace quern
