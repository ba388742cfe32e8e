// tuner/Exhaustive.cpp — see Exhaustive.h.
#include "tuner/Exhaustive.h"

#include "compiler/reference/ScalarReference.h"

#include <bit>
#include <cmath>
#include <fmt/format.h>
#include <thread>

namespace quern {

namespace {

constexpr uint64_t kFloats = uint64_t{1} << 32;
constexpr size_t kBatch = 1 << 16;

/// One value against the exact one.
void judge(ExhaustiveReport& report, ScalarFn fn, float x, float y) {
  double exact = exactFn(fn, x, 0), got = y;
  if (static_cast<double>(static_cast<float>(exact)) == got || (std::isnan(exact) && std::isnan(got))) return;
  double error = std::fabs(got - exact), limit = ownLimit(fn, exact);
  bool overflowed = std::isinf(got) && std::signbit(got) == std::signbit(exact) && std::fabs(exact) + limit > 0x1.fffffep127;
  if (overflowed) return;
  double ratio = std::isfinite(error) ? error / limit : INFINITY;
  if (std::fabs(exact) >= 0x1p-126) report.worstUlp = std::max(report.worstUlp, error / ulpOf(exact));
  if (ratio > report.worst) {
    report.worst = ratio;
    report.worstAt = x;
    report.got = y;
  }
}

/// The floats with bits in [begin, end).
Result<ExhaustiveReport> checkRange(const KernelRef& kernel, ScalarFn fn, uint64_t begin, uint64_t end, uint32_t stride, std::atomic<uint64_t>& done, const std::atomic<bool>* stop) {
  std::vector<float> x(kBatch), y(kBatch);
  const Operand operands[] = {{x.data(), {}}, {y.data(), {}}};
  ExhaustiveReport report;
  for (uint64_t next = begin; next < end && (stop == nullptr || !*stop);) {
    size_t count = 0;
    for (; count < kBatch && next < end; next += stride) x[count++] = std::bit_cast<float>(static_cast<uint32_t>(next));
    const int64_t dims[] = {static_cast<int64_t>(count)};
    auto call = KernelCall::make(kernel, dims, operands);
    if (!call) return call.error();
    call->run();
    for (size_t i = 0; i < count; ++i) judge(report, fn, x[i], y[i]);
    report.floats += count;
    done += count;
  }
  return report;
}

}  // namespace

Result<ExhaustiveReport> checkEveryFloat(KernelLibrary& library, const OpDesc& op, const Schedule& schedule, uint32_t stride, const std::function<void(double)>& progress, const std::atomic<bool>* stop) {
  const auto* map = std::get_if<MapOp>(&op);
  bool single = map != nullptr && map->operands.size() == 1 && map->expr->kind == ScalarExpr::Kind::Call && map->expr->args.size() == 1 && map->expr->args[0]->kind == ScalarExpr::Kind::Operand;
  if (!single) return badCommand(fmt::format("{}: every float can be tried on a function of one argument, such as exp x=*", text(op)));
  MapOp any = *map;
  any.operands[0].shape = {Dim{Dim::kAny}};
  auto kernel = library.get(any, schedule);
  if (!kernel) return kernel.error();
  unsigned threads = std::max(1u, std::thread::hardware_concurrency());
  std::atomic<uint64_t> done{0};
  std::vector<Result<ExhaustiveReport>> parts(threads, ExhaustiveReport{});
  std::vector<std::thread> workers;
  for (unsigned t = 0; t < threads; ++t) {
    // Parts begin at multiples of the stride, so that the floats visited do not depend on the thread count.
    uint64_t share = (kFloats / threads + stride - 1) / stride * stride;
    uint64_t begin = t * share, end = t + 1 == threads ? kFloats : std::min(kFloats, begin + share);
    workers.emplace_back([&, t, begin, end] { parts[t] = checkRange(*kernel, map->expr->fn, begin, end, stride, done, stop); });
  }
  if (progress)
    while (done * stride + uint64_t{stride} * threads < kFloats && (stop == nullptr || !*stop)) {
      progress(static_cast<double>(done * stride) / static_cast<double>(kFloats));
      std::this_thread::sleep_for(std::chrono::milliseconds(200));
    }
  for (std::thread& worker : workers) worker.join();
  ExhaustiveReport all;
  for (const auto& part : parts) {
    if (!part) return part.error();
    all.floats += part->floats;
    all.worstUlp = std::max(all.worstUlp, part->worstUlp);
    if (part->worst <= all.worst) continue;
    all.worst = part->worst;
    all.worstAt = part->worstAt;
    all.got = part->got;
  }
  return all;
}

}  // namespace quern
