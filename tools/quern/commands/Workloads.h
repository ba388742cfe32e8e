// tools/quern/commands/Workloads.h — what `tune` takes, as workloads: an op, a suite, a baseline's rows and models.
#pragma once

#include "compiler/base/Result.h"
#include "compiler/op/Workload.h"
#include "compiler/target/Target.h"
#include "models/ModelSource.h"

#include <string>

namespace quern {

Workload opWorkload(const OpDesc& op);
Result<Workload> suiteWorkload(const std::string& nameOrPath);
/// Weights of a model that are together larger than `target`'s last cache are cold whenever an op meets them.
Result<Workload> baselineWorkload(const std::string& nameOrPath, const Target& target);
Result<Workload> modelWorkload(const ModelSource& source, const Target& target, ElementType kvType = ElementType::F32);

}  // namespace quern
