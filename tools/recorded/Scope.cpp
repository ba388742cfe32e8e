// tools/recorded/Scope.cpp — see Scope.h.
#include "tools/recorded/Scope.h"

#include "compiler/base/Text.h"
#include "compiler/store/CallArguments.h"
#include "tools/recorded/DotNetRandom.h"
#include "tools/recorded/Gradients.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>

namespace quern {

namespace {

/// "uniform[-1,1)" -> its bounds.
Result<std::pair<double, double>> parseRange(const RecordRow& row) {
  std::string_view given = row.data;
  if (given.starts_with("uniform[") && given.ends_with(")")) {
    std::vector<std::string> parts = split(given.substr(8, given.size() - 9), ',');
    auto low = parts.size() == 2 ? parseDouble(trim(parts[0])) : std::nullopt;
    auto high = parts.size() == 2 ? parseDouble(trim(parts[1])) : std::nullopt;
    if (low && high && *low < *high) return std::pair{*low, *high};
  }
  return badInput(fmt::format("{}: row '{}': data '{}' is not of the form uniform[-1,1)", row.at, escaped(row.id), escaped(row.data)));
}

/// Fills arrays in the recorded draw order.
Result<void> draw(const std::vector<FloatArray*>& arrays, const RecordRow& row, int32_t seed) {
  auto range = parseRange(row);
  if (!range) return range.error();
  auto [low, high] = *range;
  DotNetRandom shared(seed);
  if (row.draw == "separate") {
    for (auto* array : arrays) {
      DotNetRandom own(seed);
      for (float& value : *array) value = own.uniform(low, high);
    }
  } else if (row.draw == "sequential") {
    for (auto* array : arrays)
      for (float& value : *array) value = shared.uniform(low, high);
  } else if (row.draw == "alternate") {
    for (size_t i = 0; i < arrays[0]->size(); ++i)
      for (auto* array : arrays)
        if (i < array->size()) (*array)[i] = shared.uniform(low, high);
  } else {
    return badInput(
        fmt::format("{}: row '{}': draw '{}' is not separate, sequential or alternate", row.at, escaped(row.id), escaped(row.draw)));
  }
  return {};
}

/// `calls` calls of one op with fixed dimensions.
class OpScope {
public:
  static Result<Scope> make(const RecordRow& row, int32_t seed) {
    auto op = parseOp(row.op);
    if (!op) return badInput(fmt::format("{}: row '{}': {}", row.at, escaped(row.id), op.error().message));
    if (!runtimeDims(*op).empty())
      return badInput(fmt::format("{}: row '{}': {} has dimensions known only at call time", row.at, escaped(row.id), text(*op)));
    auto scope = std::make_shared<OpScope>(row, *op);
    std::vector<FloatArray*> arrays;
    for (const TensorSpec& spec : inputsOf(*op)) {
      if (spec.type != ElementType::F32)
        return badInput(fmt::format("{}: row '{}': input {} is not f32", row.at, escaped(row.id), spec.name));
      scope->inputs_.emplace_back(static_cast<size_t>(spec.elements()));
    }
    for (auto& input : scope->inputs_) arrays.push_back(&input);
    if (auto good = draw(arrays, row, seed); !good) return good.error();
    return Scope{[scope](const KernelProvider& kernels) { return scope->prepare(kernels); },
                 [scope] { scope->warmUp(); },
                 [scope] { scope->run(); },
                 [scope] { scope->call_->run(); },
                 [scope] { return scope->wrong(); },
                 *op,
                 flopsOf(*op)};
  }

  OpScope(const RecordRow& row, OpDesc op) : row_(row), op_(std::move(op)), result_(static_cast<size_t>(outputOf(op_).elements())) {}

private:
  Result<void> prepare(const KernelProvider& kernels) {
    auto set = kernels(op_);
    if (!set) return set.error();
    kernels_ = *set;
    auto call = bind();
    if (!call) return call.error();
    call_ = std::make_unique<KernelCall>(std::move(*call));
    return {};
  }
  void warmUp() {
    for (int64_t i = 0; i < row_.warmup; ++i) call_->run();
  }
  void run() {
    for (int64_t i = 0; i < row_.calls; ++i) {
      if (!row_.allocResult) {
        call_->run();
        continue;
      }
      // A result of its own for every call, as recorded.
      FloatArray fresh(result_.size());
      call_->setOperand(kernels_.info().buffers.size() - 1, fresh.data());
      call_->run();
      if (i + 1 == row_.calls) std::copy_n(fresh.data(), result_.size(), result_.data());
    }
    call_->setOperand(kernels_.info().buffers.size() - 1, result_.data());
  }

  std::vector<std::string> wrong() const {
    std::vector<std::string> messages;
    double sum = 0, high = -INFINITY, low = INFINITY;
    for (float value : result_) {
      sum += value;
      high = std::max<double>(high, value);
      low = std::min<double>(low, value);
    }
    for (const auto& [name, expected] : row_.checks) {
      double got = name == "sum" ? sum : name == "max" ? high : name == "min" ? low : static_cast<double>(result_[0]);
      // Recorded to five or six figures; a sum of n terms rounds by some eps of each.
      double tolerance = 2e-5 * std::fabs(expected) + (name == "sum" ? 1e-3 : 1e-6);
      if (std::fabs(got - expected) > tolerance)
        messages.push_back(fmt::format("row '{}': check_{} is {:.7g}, recorded {:.7g}", row_.id, name, got, expected));
    }
    return messages;
  }

  Result<KernelCall> bind() {
    CallArguments arguments(op_, {});
    for (size_t i = 0; i < inputs_.size(); ++i) arguments.input(i, inputs_[i].data());
    if (!accumulatedInput(kernels_.info())) arguments.output(result_.data());
    arguments.packInto([this](int64_t bytes) {
      packed_.assign(static_cast<size_t>(bytes / 4), 0.0f);
      return packed_.data();
    });
    return arguments.call(kernels_);
  }

  RecordRow row_;
  OpDesc op_;
  std::vector<FloatArray> inputs_;
  FloatArray result_, packed_;
  KernelSet kernels_;
  std::unique_ptr<KernelCall> call_;
};

/// A gradient workload: `make` gives one bound to kernels, `arrays` what the generator fills.
template <class Work>
Scope gradientScope(const RecordRow& row, std::function<Result<Work>(const KernelProvider&)> make,
                    std::vector<FloatArray*> (*arrays)(Work&), int32_t seed, double flops) {
  auto work = std::make_shared<std::optional<Work>>();
  auto repeat = [work](int64_t count) {
    for (int64_t i = 0; i < count; ++i) (*work)->iterate();
  };
  Scope scope;
  scope.prepare = [=](const KernelProvider& kernels) -> Result<void> {
    auto made = make(kernels);
    if (!made) return made.error();
    work->emplace(std::move(*made));
    return draw(arrays(**work), row, seed);
  };
  scope.warmUp = [repeat, count = row.warmup] { repeat(count); };
  scope.run = [repeat, count = row.calls] { repeat(count); };
  scope.call = [repeat] { repeat(1); };
  scope.wrong = [] { return std::vector<std::string>(); };
  scope.flops = flops;
  return scope;
}

}  // namespace

Result<Scope> makeScope(const RecordRow& row, int32_t seed) {
  if (row.workload == "op") return OpScope::make(row, seed);
  auto size = [&](const char* name) { return row.sizes.count(name) != 0 ? row.sizes.at(name) : int64_t{0}; };
  int64_t m = size("m"), k = size("k"), n = size("n"), h = size("h");
  if (row.workload == "matmul-backward" && m > 0 && k > 0 && n > 0) {
    std::function<Result<MatmulBackwardWorkload>(const KernelProvider&)> make = [=](const KernelProvider& kernels) {
      return MatmulBackwardWorkload::make(m, k, n, kernels);
    };
    return gradientScope<MatmulBackwardWorkload>(
        row, make, [](MatmulBackwardWorkload& work) { return std::vector<FloatArray*>{&work.a, &work.b}; }, seed,
        6.0 * static_cast<double>(m * k * n));
  }
  if (row.workload == "two-layer-step" && m > 0 && k > 0 && n > 0 && h > 0) {
    std::function<Result<TwoLayerWorkload>(const KernelProvider&)> make = [=](const KernelProvider& kernels) {
      return TwoLayerWorkload::make(m, k, h, n, kernels);
    };
    double flops = 2.0 * static_cast<double>(m * k * h) + 6.0 * static_cast<double>(m * h * n);
    return gradientScope<TwoLayerWorkload>(
        row, make, [](TwoLayerWorkload& work) { return std::vector<FloatArray*>{&work.x, &work.w2, &work.w3}; }, seed, flops);
  }
  return badInput(fmt::format(
      "{}: row '{}': workload '{}' is not known or lacks sizes; known: op, matmul-backward (m, k, n), two-layer-step (m, k, h, n)", row.at,
      escaped(row.id), escaped(row.workload)));
}

}  // namespace quern
