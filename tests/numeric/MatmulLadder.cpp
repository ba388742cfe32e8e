// tests/numeric/MatmulLadder.cpp — see MatmulLadder.h.
#include "tests/numeric/MatmulLadder.h"

#include "compiler/base/Text.h"

#include <algorithm>
#include <cstring>
#include <fmt/format.h>
#include <map>

namespace quern {

int64_t casesAsked() {
  const char* given = std::getenv("QUERN_TEST_CASES");
  return given == nullptr ? 500 : std::atoll(given);
}

std::string keyOf(const Schedule& schedule, std::string_view key) {
  for (const ScheduleKeyInfo& info : keysOf(schedule))
    if (info.key == key) return info.value;
  return "";
}

std::optional<Schedule> changed(const Schedule& schedule, std::string_view key, const std::string& value, const OpDesc& op,
                                const Target& target) {
  Schedule next = schedule;
  if (!setKey(next, key, value) || !validate(next, op, target)) return {};
  return next;
}

/// tile - 1, tile, tile + 1 of every key that cuts dimension `dim` of m, n, k.
static std::vector<int64_t> edgesOf(const Schedule& schedule, size_t dim) {
  static const std::vector<std::string_view> keys[] = {{"mr", "mc"}, {"nr", "nc", "lanes", "panel"}, {"kc", "unroll_k"}};
  std::vector<int64_t> edges;
  for (std::string_view key : keys[dim])
    if (auto value = parseInt(keyOf(schedule, key)); value && *value > 0 && *value <= 512)
      edges.insert(edges.end(), {*value - 1, *value, *value + 1});
  return edges;
}

int64_t SizeDraw::drawn(const Schedule& schedule, size_t dim) {
  std::vector<int64_t> edges = edgesOf(schedule, dim);
  if (!edges.empty() && random_() % 3 == 0) return edges[random_() % edges.size()];
  return kLadder[random_() % std::size(kLadder)];
}

DimValues SizeDraw::next(const Schedule& schedule) {
  size_t fixed = cases_ % 3;
  int64_t given = kLadder[cases_ / 3 % std::size(kLadder)];
  ++cases_;
  while (true) {
    int64_t sizes[3], batch = static_cast<int64_t>(random_() % 4);
    double work = static_cast<double>(std::max<int64_t>(1, batch));
    for (size_t dim = 0; dim < 3; ++dim) {
      sizes[dim] = dim == fixed ? given : drawn(schedule, dim);
      work *= static_cast<double>(sizes[dim]);
    }
    // Cases without outputs pass whatever the kernel does: keep one in eight of them where the size was drawn.
    bool empty = batch * sizes[0] * sizes[1] == 0 && given != 0;
    if (work <= maxWork_ && (!empty || random_() % 8 == 0)) return {{"m", sizes[0]}, {"n", sizes[1]}, {"k", sizes[2]}, {"batch", batch}};
  }
}

std::vector<Schedule> drawSchedules(const SearchSpace& space, const OpDesc& op, const DimValues& sample, const Target& target, size_t count,
                                    std::mt19937_64& random) {
  std::vector<Candidate> candidates = candidatesOf(space, op, sample, target);
  std::vector<Schedule> drawn = {candidates[0].schedule};
  auto either = [&]<class T>(std::initializer_list<T> values) { return values.begin()[random() % values.size()]; };
  for (size_t tries = 0; drawn.size() < count && tries < 20 * count; ++tries) {
    Schedule next = candidates[random() % candidates.size()].schedule;
    auto put = [&](std::string_view key, const std::string& value) { next = changed(next, key, value, op, target).value_or(next); };
    auto number = [&](std::string_view key) { return parseInt(keyOf(next, key)).value_or(1); };
    if (drawn.size() % 2 == 1) {
      put("kc", std::to_string(either({1, 3, 16, 37, 64})));
      put("mc", std::to_string(number("mr") * either({1, 2, 3})));
      put("nc", std::to_string(number("nr") * either({1, 2, 3})));
      put("prefetch", either({"0", "4"}));
      put("walk", either({"rows", "columns", "halves"}));
      put("inner", either({"columns", "rows"}));
      put("prefetch_panel", either({"0", "1", "5"}));
      put("prefetch_c", either({"none", "tile", "below"}));
      put("pack", either({"none", "b", "a", "ab"}));
      put("panel", std::to_string(either({int64_t{0}, number("lanes"), 2 * number("nr"), number("nr") / 2})));
    }
    if (drawn.size() % 5 == 2) {  // a tile small enough for several chains
      put("kc", "4096");
      put("panel", "0");
      put("nr", keyOf(next, "lanes"));
      put("mr", "1");
      put("order", either({"split:2", "split:4", "split:8"}));
    }
    if (std::find(drawn.begin(), drawn.end(), next) == drawn.end()) drawn.push_back(std::move(next));
  }
  return drawn;
}

CheckRun placed(size_t i, InputData data, uint64_t seed) {
  constexpr int64_t extras[] = {0, 1, 7};
  constexpr int64_t offsets[] = {0, 1, 0, 15};
  return {data, seed, i % 2 == 0 ? Flush::End : Flush::Begin, extras[i % 3], offsets[i / 2 % 4]};
}

/// op(A) [rows, k] or op(B) [k, columns] in double, rows padded with zeros to `width`.
static std::vector<double> widened(const float* from, int64_t rows, int64_t columns, int64_t width, bool transposed) {
  std::vector<double> out(static_cast<size_t>(rows * width));
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < columns; ++c) out[static_cast<size_t>(r * width + c)] = from[transposed ? c * rows + r : r * columns + c];
  return out;
}

std::vector<float> exactMatmul(const MatmulOp& op, std::span<const TensorData> inputs) {
  constexpr int64_t kWide = 16;  // a fixed inner count, which the compiler keeps in registers
  int64_t m = op.m.value, n = op.n.value, k = op.k.value, width = (n + kWide - 1) / kWide * kWide;
  std::vector<TensorSpec> specs = op.inputs();
  std::map<std::string, const float*> operands;
  for (size_t i = 0; i < specs.size(); ++i) operands[specs[i].name] = inputs[i].f32();
  std::vector<std::string> stages;
  if (op.ep != nullptr) stages = split(epilogueText(*op.ep), '+');
  for (const std::string& stage : stages) REQUIRE((stage == "relu" || operands.count(stage) == 1));
  const float* c = op.acc ? operands["C"] : nullptr;
  const float* bias = operands["bias"];
  const float* residual = operands["residual"];
  std::vector<float> out(static_cast<size_t>(op.batches() * m * n));
  float* to = out.data();
  for (int64_t batch = 0; batch < op.batches(); ++batch) {
    std::vector<double> a = widened(inputs[0].f32() + batch * m * k, m, k, k, op.ta);
    std::vector<double> b = widened(inputs[1].f32() + batch * k * n, k, n, width, op.tb);
    for (int64_t i = 0; i < m; ++i)
      for (int64_t j0 = 0; j0 < n; j0 += kWide) {
        double sum[kWide] = {};
        for (int64_t kk = 0; kk < k; ++kk) {
          double x = a[static_cast<size_t>(i * k + kk)];
          const double* row = b.data() + kk * width + j0;
          for (int64_t lane = 0; lane < kWide; ++lane) sum[lane] += x * row[lane];
        }
        for (int64_t j = j0; j < std::min(j0 + kWide, n); ++j, ++to) {
          double x = sum[j - j0] + (c != nullptr ? static_cast<double>(c[to - out.data()]) : 0.0);
          for (const std::string& stage : stages) {
            if (stage == "relu") x = std::max(x, 0.0);
            else x += stage == "bias" ? bias[j] : residual[to - out.data()];
          }
          *to = static_cast<float>(x);
        }
      }
  }
  return out;
}

LadderKernel compiled(KernelLibrary& library, const OpDesc& op, const Schedule& schedule) {
  auto kernel = library.tryOut(op, schedule);
  INFO(text(op) << " [" << text(schedule) << "] on " << library.target().level << (kernel ? "" : ": " + kernel.error().message));
  REQUIRE(kernel);
  return {op, schedule, library.target(), *kernel};
}

std::string text(const LadderKernel& kernel, const DimValues& dims, const CheckRun& run) {
  return fmt::format("{} [{}] on {}, sizes {}, {} data of seed {}, flush with the {}, rows {} apart, {} elements off", text(kernel.op),
                     text(kernel.schedule), kernel.level.level, text(dims), text(run.data), run.seed,
                     run.flush == Flush::End ? "end" : "beginning", run.extraStride, run.offset);
}

std::string runExact(const LadderKernel& kernel, const DimValues& dims, const CheckRun& run) {
  CheckInputs inputs = makeInputs(fixed(kernel.op, dims), InputData::Integer, run.seed, run.flush, run.offset);
  auto actual = runKernel(kernel.kernel, inputs, dims, run);
  if (!actual) return actual.error().message;
  return differing(exactMatmul(std::get<MatmulOp>(inputs.op), inputs.tensors), *actual);
}

std::string runWithinLimits(const LadderKernel& kernel, const DimValues& dims, const CheckRun& run, double& worst) {
  auto result = runOnce(kernel.kernel, kernel.op, dims, run);
  if (!result) return result.error().message;
  CheckReport report = judge(fixed(kernel.op, dims), *result, run.data);
  worst = std::max(worst, report.worst);
  return report.failure;
}

}  // namespace quern
