// compiler/store/KernelCall.h — a kernel with its operands bound: how everything here calls kernels.
#pragma once

#include "compiler/base/Result.h"
#include "compiler/store/KernelSet.h"

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace quern {

/// An operand: its address and, where the kernel takes strides for it, its leading strides in elements.
struct Operand {
  const void* data = nullptr;
  std::vector<int64_t> strides;
  int64_t bytes = 0;  ///< that lie there, where the caller knows: the interpreter holds accesses against it
};

/// Leading strides of a dense row-major shape.
std::vector<int64_t> denseStrides(std::span<const int64_t> shape);

/// Runs `task(thread, begin, end)` over [0, count) in pieces, on any threads, and returns when all are done.
using TaskRunner = std::function<void(int64_t count, const std::function<void(int thread, int64_t begin, int64_t end)>& task)>;

/// Owns the argument arrays and scratch of one call. run() may be repeated; operands may change between.
class KernelCall {
public:
  /// `dims` in the order of info.dims; one operand per info.buffers. `threads`: how many may run tasks at once.
  /// Errors   BadInput: dimensions whose task count or scratch overflows.
  static Result<KernelCall> make(const KernelSet& kernels, std::span<const int64_t> dims, std::span<const Operand> operands,
                                 int threads = 1);

  /// Another address for one operand, laid out like the one before.
  void setOperand(size_t index, const void* data) { buffers_[index] = data; }

  /// All phases on this thread.
  void run();
  /// All phases through `runner`, a barrier between.
  void run(const TaskRunner& runner);

  int64_t tasks() const;  ///< of the largest phase
  const KernelInfo& info() const { return kernel_->info; }

private:
  KernelRef kernel_;
  std::vector<const void*> buffers_;
  std::vector<int64_t> dims_, strides_, phases_;
  std::shared_ptr<std::byte[]> shared_, perThread_;
  int64_t threadBytes_ = 0;
};

}  // namespace quern
