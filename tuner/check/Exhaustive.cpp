// tuner/check/Exhaustive.cpp — see Exhaustive.h.
#include "tuner/check/Exhaustive.h"

#include "compiler/base/Text.h"
#include "compiler/base/Thread.h"
#include "compiler/reference/ScalarReference.h"
#include "compiler/target/Target.h"
#include "compiler/target/UsableCpus.h"

#include <atomic>
#include <bit>
#include <cmath>
#include <cstring>
#include <fmt/format.h>
#include <chrono>
#include <thread>

namespace quern {

namespace {

constexpr uint64_t kFloats = uint64_t{1} << 32;
constexpr size_t kBatch = 1 << 13;  // the arrays of one batch stay in L2

/// Error over limit: 0 where nothing differs, Inf where no number says how wrong it is.
double errorOverLimit(double got, double exact, double limit) {
  if (got == exact || (std::isnan(got) && std::isnan(exact))) return 0;
  // Overflow: Inf stands for 2^128, the float that would follow.
  if (std::isinf(got)) {
    if (std::isfinite(exact) && std::fabs(exact) >= 0x1p128 && std::signbit(got) == std::signbit(exact)) return 0;
    got = std::copysign(0x1p128, got);
  }
  double ratio = std::fabs(got - exact) / limit;
  return std::isfinite(ratio) ? ratio : INFINITY;
}

/// Keeps the worse of two; of equals the one of the smaller bits, so that the order does not matter.
void keepWorse(ExhaustiveReport& report, double ratio, float at, float got) {
  bool worse =
      ratio > report.worst || (ratio == report.worst && ratio > 0 && std::bit_cast<uint32_t>(at) < std::bit_cast<uint32_t>(report.worstAt));
  if (!worse) return;
  report.worst = ratio;
  report.worstAt = at;
  report.got = got;
}

void add(ExhaustiveReport& report, const ExhaustiveReport& part) {
  report.floats += part.floats;
  report.worstUlp = std::max(report.worstUlp, part.worstUlp);
  keepWorse(report, part.worst, part.worstAt, part.got);
}

/// One thread's batches: floats, their truth, what every kernel makes of them.
class FloatChecker {
public:
  FloatChecker(const FloatTruth& truth, size_t kernels)
      : truth_(truth), x_(kBatch), exact_(kBatch), limit_(kBatch), y_(kernels, std::vector<float>(kBatch)), reports_(kernels) {}

  Result<void> bind(std::span<const KernelSet> kernels) {
    const int64_t dims[] = {static_cast<int64_t>(kBatch)};
    for (size_t k = 0; k < kernels.size(); ++k) {
      if (kernels[k].info().dims.size() != 1 || kernels[k].info().buffers.size() != 2)
        return badInput(fmt::format("{}: every float can be tried on a kernel of [n] to [n] floats, any n", escaped(kernels[k].info().op)));
      const Operand operands[] = {{x_.data(), {}}, {y_[k].data(), {}}};
      auto call = KernelCall::make(kernels[k], dims, operands);
      if (!call) return call.error();
      calls_.push_back(std::move(*call));
    }
    return {};
  }

  /// Floats number `first` to `first` + kBatch of those visited.
  void visit(uint64_t first, uint32_t stride) {
    size_t count = 0;
    for (uint64_t i = first; i < first + kBatch && i * stride < kFloats; ++i) {
      x_[count] = std::bit_cast<float>(static_cast<uint32_t>(i * stride));
      count += truth_.takes == nullptr || truth_.takes(x_[count]) ? 1 : 0;
    }
    if (count == 0) return;
    std::fill(x_.begin() + static_cast<std::ptrdiff_t>(count), x_.end(), x_[0]);  // kernels always get a whole batch
    truth_.fill(std::span(x_).first(count), exact_.data(), limit_.data());
    std::vector<ExhaustiveReport> found(calls_.size());
    for (size_t k = 0; k < calls_.size(); ++k) {
      calls_[k].run();
      size_t same = 0;
      while (same < k && std::memcmp(y_[same].data(), y_[k].data(), count * sizeof(float)) != 0) ++same;
      found[k] = same < k ? found[same] : judge(y_[k], count);
      add(reports_[k], found[k]);
    }
  }

  const ExhaustiveReport& report(size_t kernel) const { return reports_[kernel]; }

private:
  ExhaustiveReport judge(const std::vector<float>& y, size_t count) const {
    ExhaustiveReport found;
    found.floats = count;
    for (size_t i = 0; i < count; ++i) {
      double error = std::fabs(static_cast<double>(y[i]) - exact_[i]);
      if (error == 0) continue;
      if (std::fabs(exact_[i]) >= truth_.ulpsFrom && std::isfinite(error)) {
        double unit = ulpOf(exact_[i]);
        if (error > found.worstUlp * unit) found.worstUlp = error / unit;
      }
      if (error < found.worst * limit_[i]) continue;  // false for NaN
      keepWorse(found, errorOverLimit(y[i], exact_[i], limit_[i]), x_[i], y[i]);
    }
    return found;
  }

  const FloatTruth& truth_;
  std::vector<float> x_;
  std::vector<double> exact_, limit_;
  std::vector<std::vector<float>> y_;
  std::vector<KernelCall> calls_;
  std::vector<ExhaustiveReport> reports_;
};

/// What the threads share: they take batches one by one, since a float's cost depends on where it lies.
struct Visits {
  uint64_t count = 0;  ///< floats to visit
  uint32_t stride = 1;
  std::atomic<uint64_t> next{0}, done{0};
  std::atomic<bool> stop{false};
};

void visitAll(FloatChecker& checker, Visits& visits) {
  while (!visits.stop) {
    uint64_t first = visits.next.fetch_add(kBatch);
    if (first >= visits.count) return;
    checker.visit(first, visits.stride);
    visits.done += std::min<uint64_t>(kBatch, visits.count - first);
  }
}

ExhaustiveReport reportFor(const FloatTruth& truth, const KernelSet& kernel) {
  ExhaustiveReport report;
  const std::string& contract = kernel.info().contract;
  report.function = truth.name;
  report.level = contract.substr(0, contract.find_first_of(" ,"));
  const IsaLevel* level = findIsaLevel(report.level);
  report.fma = level != nullptr && level->fma;
  return report;
}

}  // namespace

std::string exhaustiveHeader() {
  return fmt::format("{:<13} {:<10} {:<3}  {:>10}  {:>9}  {:>11}  {:>15}  got\n", "function", "level", "fma", "floats", "worst ulp",
                     "error/limit", "at");
}

std::string text(const ExhaustiveReport& r) {
  return fmt::format("{:<13} {:<10} {:<3}  {:>10}  {:>9.4f}  {:>11.4f}  {:>15}  {}{}\n", r.function, r.level, r.fma ? "yes" : "no",
                     r.floats, r.worstUlp, r.worst, shortest(r.worstAt), shortest(r.got),
                     r.passed()  ? ""
                     : r.stopped ? "  STOPPED"
                                 : "  FAILED");
}

Result<FloatTruth> truthOf(const OpDesc& op) {
  const auto* map = std::get_if<MapOp>(&op);
  bool single = map != nullptr && map->operands.size() == 1 && map->expr->kind == ScalarExpr::Kind::Call && map->expr->args.size() == 1 &&
                map->expr->args[0]->kind == ScalarExpr::Kind::Operand;
  if (!single) return badCommand(fmt::format("{}: every float can be tried on a function of one argument, such as exp x=*", text(op)));
  return truthOf(map->expr->fn);
}

Result<std::vector<ExhaustiveReport>> checkEveryFloat(const FloatTruth& truth, std::span<const KernelSet> kernels, uint32_t stride,
                                                      const ExhaustiveProgress& progress) {
  std::vector<FloatChecker> checkers;
  auto threads = static_cast<unsigned>(usableCpus());
  checkers.reserve(threads);  // calls hold the addresses of their arrays
  for (unsigned t = 0; t < threads; ++t)
    if (auto good = checkers.emplace_back(truth, kernels.size()).bind(kernels); !good) return good.error();
  Visits visits;
  visits.count = (kFloats + stride - 1) / stride;
  visits.stride = stride;
  std::vector<Thread> workers;
  for (FloatChecker& checker : checkers) {
    auto worker = Thread::start([&] { visitAll(checker, visits); });
    if (!worker && workers.empty()) return worker.error();
    if (!worker) break;  // the others visit what there is
    workers.push_back(std::move(*worker));
  }
  while (progress && visits.done < visits.count && !visits.stop) {
    if (!progress(static_cast<double>(visits.done) / static_cast<double>(visits.count))) visits.stop = true;
    else std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  for (Thread& worker : workers) worker.join();
  std::vector<ExhaustiveReport> reports;
  for (size_t k = 0; k < kernels.size(); ++k) {
    ExhaustiveReport& report = reports.emplace_back(reportFor(truth, kernels[k]));
    report.stopped = visits.done < visits.count;
    for (const FloatChecker& checker : checkers) add(report, checker.report(k));
  }
  return reports;
}

}  // namespace quern
