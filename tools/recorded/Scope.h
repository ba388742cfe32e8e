// tools/recorded/Scope.h — a recorded scope as something that can be run: its data drawn as recorded, its calls, its checks.
#pragma once

#include "compiler/base/Result.h"
#include "runtime/KernelProvider.h"
#include "tools/report/RecordFile.h"

#include <functional>
#include <optional>

namespace quern {

/// One [[row]], ready to run. Data outlives the kernels, which can be made anew (cold, first, ready).
struct Scope {
  std::function<Result<void>(const KernelProvider& kernels)> prepare;  ///< gets the kernels: part of the cold and the first scope
  std::function<void()> warmUp;                                        ///< calls as recorded before the clock starts
  std::function<void()> run;                                           ///< all calls of the scope
  std::function<void()> call;                                          ///< one call, results in place: the warm row
  std::function<std::vector<std::string>()> wrong;                     ///< check values that do not hold; empty: all hold
  std::optional<OpDesc> op;                                            ///< of one call, for rates; none for workloads of several
  double flops = 0;                                                    ///< of one call
};

/// Errors   BadInput naming row and field.
Result<Scope> makeScope(const RecordRow& row, int32_t seed);

}  // namespace quern
