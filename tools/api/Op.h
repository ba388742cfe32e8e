// tools/api/Op.h — what a quern_op stands for.
#pragma once

#include "tools/api/Answer.h"
#include "tools/api/Call.h"
#include "tools/api/Context.h"

namespace quern::api {

/// An op with its kernels. Threads: any, at once.
struct PreparedOp {
  static constexpr uint64_t kKind = 2;
  static constexpr const char* kName = "op";

  std::shared_ptr<Context> context;
  OpDesc op;
  KernelSet kernels;
  std::string text;
  std::vector<TensorSpec> operands;  ///< inputs, then the output
  uint32_t madeIn = forks();

  PreparedOp() { idle_.reserve(kMostIdle); }

  /// A call for such arrays on at most so many threads, with their addresses. Errors: as BoundCall::make and place.
  Result<std::unique_ptr<BoundCall>> take(Arrays arrays, int threads);
  /// Keeps it for the next one.
  void giveBack(std::unique_ptr<BoundCall> call) noexcept;

private:
  static constexpr size_t kMostIdle = 8;  // their scratch is memory
  std::mutex guard_;
  std::vector<std::unique_ptr<BoundCall>> idle_;  ///< of calls that are over, the last one last
};

}  // namespace quern::api
