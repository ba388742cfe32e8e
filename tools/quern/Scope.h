// tools/quern/Scope.h — a recorded scope as something that can be run: its data drawn as recorded, its calls, its checks.
#pragma once

#include "compiler/base/Result.h"
#include "runtime/KernelProvider.h"
#include "tools/report/RecordFile.h"

#include <functional>
#include <memory>

namespace quern {

/// One [[row]], ready to run. Data outlives the kernels, which can be made anew (cold, first, ready).
class Scope {
public:
  virtual ~Scope() = default;
  /// Gets the kernels. Part of the cold and the first scope.
  virtual Result<void> prepare(const KernelProvider& kernels) = 0;
  /// Warm-up calls as recorded; before the clock starts.
  virtual void warmUp() {}
  /// All calls of the scope.
  virtual void run() = 0;
  /// One call, results in place: the warm row.
  virtual void call() = 0;
  /// The check values that do not hold, as messages; empty: all hold.
  virtual std::vector<std::string> wrong() const = 0;
  /// The op of one call, for rates; null for workloads of several.
  virtual const OpDesc* op() const { return nullptr; }
  /// Floating point operations of one call.
  virtual double flops() const = 0;
};

/// Errors   BadInput naming row and field.
Result<std::unique_ptr<Scope>> makeScope(const RecordRow& row, int32_t seed, const std::string& file);

}  // namespace quern
