// tuner/worker/CompilePool.h — candidates compiled in worker processes, side by side.
#pragma once

#include "compiler/jit/KernelLibrary.h"
#include "tuner/worker/WorkerProcess.h"

#include <memory>
#include <span>

namespace quern {

/// Workers are forked when they are first needed and stay until the pool goes.
class CompilePool {
public:
  CompilePool(KernelLibrary& library, int workers);

  /// One result a schedule, in their order. Errors: of each, what lowering and codegen say, or how the worker died of it; Stopped.
  std::vector<Result<KernelArtifact>> compile(const OpDesc& op, std::span<const Schedule> schedules, const Stop& stop);

private:
  std::string serve(std::string_view request);

  KernelLibrary& library_;
  std::vector<std::unique_ptr<WorkerProcess>> workers_;
};

}  // namespace quern
