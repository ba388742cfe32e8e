// compiler/store/KernelCall.cpp — see KernelCall.h.
#include "compiler/store/KernelCall.h"

#include "compiler/base/Check.h"
#include "compiler/base/Checked.h"

#include <algorithm>
#include <fmt/format.h>

namespace quern {

std::vector<int64_t> denseStrides(std::span<const int64_t> shape) {
  std::vector<int64_t> strides(shape.empty() ? 0 : shape.size() - 1);
  int64_t stride = 1;
  for (size_t i = shape.size(); i > 1; --i) strides[i - 2] = stride *= shape[i - 1];
  return strides;
}

/// Scratch starts at a cache line of its own, so that threads do not share one.
static std::shared_ptr<std::byte[]> alignedBytes(int64_t bytes) {
  if (bytes == 0) return nullptr;
  constexpr std::align_val_t kLine{64};
  auto* raw = static_cast<std::byte*>(::operator new(static_cast<size_t>(bytes), kLine));
  return {raw, [](std::byte* dead) { ::operator delete(dead, kLine); }};
}

Result<KernelCall> KernelCall::make(const KernelSet& kernels, std::span<const int64_t> dims, std::span<const Operand> operands,
                                    int threads) {
  QUERN_CHECK_FOR(dims.size() == kernels.info().dims.size(), kernels.info().op);
  KernelRef kernel = kernels.forDims(dims);
  const KernelInfo& info = kernel->info;
  QUERN_CHECK_FOR(operands.size() == info.buffers.size(), info.op);
  KernelCall call;
  call.dims_.assign(dims.begin(), dims.end());
  for (size_t i = 0; i < operands.size(); ++i) {
    auto wanted = static_cast<size_t>(info.buffers[i].strides);
    const std::vector<int64_t>& strides = operands[i].strides;
    QUERN_CHECK_FOR(strides.size() >= wanted, info.op);
    call.buffers_.push_back(operands[i].data);
    call.strides_.insert(call.strides_.end(), strides.begin(), strides.begin() + static_cast<std::ptrdiff_t>(wanted));
  }
  constexpr int64_t kMaxScratch = int64_t{1} << 40;
  auto bytes = [&](const Formula& formula) { return formula.evaluate(dims).value_or(kMaxScratch + 1); };
  int64_t shared = bytes(info.sharedScratchBytes);
  call.threadBytes_ = roundUp(std::clamp<int64_t>(bytes(info.threadScratchBytes), 0, kMaxScratch + 1), 64);
  bool fits = shared <= kMaxScratch && call.threadBytes_ <= kMaxScratch / std::max(1, threads);
  for (const Formula& phase : info.phases) {
    auto tasks = phase.evaluate(dims);
    fits = fits && tasks.has_value();
    call.phases_.push_back(std::max<int64_t>(0, tasks.value_or(0)));
  }
  if (!fits) return badInput(fmt::format("{}: dimensions {} are too large", info.op, fmt::join(dims, ", ")));
  call.shared_ = alignedBytes(shared);
  call.perThread_ = alignedBytes(call.threadBytes_ * threads);
  call.kernel_ = std::move(kernel);
  return call;
}

void KernelCall::run() {
  QuernArgs args{buffers_.data(), dims_.data(), strides_.data(), nullptr, shared_.get(), perThread_.get()};
  int64_t first = 0;
  for (int64_t tasks : phases_) {
    kernel_->entry(&args, first, first + tasks);
    first += tasks;
  }
}

void KernelCall::run(const TaskRunner& runner) {
  int64_t first = 0;
  for (int64_t tasks : phases_) {
    runner(tasks, [&](int thread, int64_t begin, int64_t end) {
      QuernArgs args{buffers_.data(), dims_.data(), strides_.data(), nullptr, shared_.get(), perThread_.get() + thread * threadBytes_};
      kernel_->entry(&args, first + begin, first + end);
    });
    first += tasks;
  }
}

int64_t KernelCall::tasks() const { return phases_.empty() ? 0 : *std::max_element(phases_.begin(), phases_.end()); }

}  // namespace quern
