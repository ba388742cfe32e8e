// compiler/jit/OpKernels.h — what each op runs with, decided once: the kernels of a library as models and callers ask for them.
#pragma once

#include "compiler/jit/KernelLibrary.h"

namespace quern {

/// Threads  any, at once.
class OpKernels {
public:
  explicit OpKernels(KernelLibrary& library) : library_(library) {}

  /// Makes the kernels of these ops side by side, on so many threads. What goes wrong kernels() says.
  void prepare(const std::vector<OpDesc>& ops, int threads);
  /// Errors   as KernelLibrary::choose and get.
  Result<KernelSet> kernels(const OpDesc& op);

private:
  Result<ScheduleChoice> chosen(const OpDesc& op);

  KernelLibrary& library_;
  std::mutex guard_;
  std::map<std::string, ScheduleChoice> choices_;
};

}  // namespace quern
