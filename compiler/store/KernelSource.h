// compiler/store/KernelSource.h — a place that kernels come from: a bundle, the cache, the compiler. They are asked one after the other.
#pragma once

#include "compiler/base/Result.h"
#include "compiler/base/Stop.h"
#include "compiler/op/OpDesc.h"
#include "compiler/store/KernelArtifact.h"

namespace quern {

/// One kernel that is wanted.
struct KernelRequest {
  const OpDesc& op;
  const Schedule& schedule;
  const KernelKey& key;
  Stop stop;
};

/// Threads  find() may be called from any, for one key by one at a time.
class KernelSource {
public:
  virtual ~KernelSource() = default;
  /// nullptr: it has none, ask the next. Errors: what is wrong with this machine or request; a bad file is a miss with a warning.
  virtual Result<KernelRef> find(const KernelRequest& request) = 0;
};

}  // namespace quern
