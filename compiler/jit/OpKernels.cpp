// compiler/jit/OpKernels.cpp — see OpKernels.h.
#include "compiler/jit/OpKernels.h"

namespace quern {

Result<ScheduleChoice> OpKernels::chosen(const OpDesc& op) {
  std::string name = text(op);
  {
    std::lock_guard lock(guard_);
    if (auto known = choices_.find(name); known != choices_.end()) return known->second;
  }
  auto choice = library_.choose(op);
  if (!choice) return choice;
  std::lock_guard lock(guard_);
  return choices_.try_emplace(name, std::move(*choice)).first->second;
}

void OpKernels::prepare(const std::vector<OpDesc>& ops, int threads) {
  std::vector<std::pair<OpDesc, Schedule>> wanted;
  for (const OpDesc& op : ops) {
    auto choice = chosen(op);
    if (!choice) continue;
    wanted.emplace_back(op, choice->schedule);
    for (const SizeClass& small : choice->sized) wanted.emplace_back(op, small.schedule);
  }
  library_.prepare(wanted, threads);
}

Result<KernelSet> OpKernels::kernels(const OpDesc& op) {
  auto choice = chosen(op);
  return choice ? library_.kernels(op, *choice) : Result<KernelSet>(choice.error());
}

}  // namespace quern
