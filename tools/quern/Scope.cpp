// tools/quern/Scope.cpp — see Scope.h.
#include "tools/quern/Scope.h"

#include "compiler/base/Text.h"
#include "models/DotNetRandom.h"
#include "models/Gradients.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>

namespace quern {

namespace {

/// "uniform[-1,1)" -> its bounds.
Result<std::pair<double, double>> parseRange(const RecordRow& row, const std::string& file) {
  std::string_view given = row.data;
  if (given.starts_with("uniform[") && given.ends_with(")")) {
    std::vector<std::string> parts = split(given.substr(8, given.size() - 9), ',');
    auto low = parts.size() == 2 ? parseDouble(trim(parts[0])) : std::nullopt;
    auto high = parts.size() == 2 ? parseDouble(trim(parts[1])) : std::nullopt;
    if (low && high && *low < *high) return std::pair{*low, *high};
  }
  return badInput(fmt::format("{}: row '{}': data '{}' is not of the form uniform[-1,1)", escaped(file), escaped(row.id), escaped(row.data)));
}

/// Fills arrays in the recorded draw order.
Result<void> draw(const std::vector<FloatArray*>& arrays, const RecordRow& row, int32_t seed, const std::string& file) {
  auto range = parseRange(row, file);
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
    return badInput(fmt::format("{}: row '{}': draw '{}' is not separate, sequential or alternate", escaped(file), escaped(row.id), escaped(row.draw)));
  }
  return {};
}

/// `calls` calls of one op with fixed dimensions.
class OpScope : public Scope {
public:
  static Result<std::unique_ptr<Scope>> make(const RecordRow& row, int32_t seed, const std::string& file) {
    auto op = parseOp(row.op);
    if (!op) return badInput(fmt::format("{}: row '{}': {}", escaped(file), escaped(row.id), op.error().message));
    if (!runtimeDims(*op).empty()) return badInput(fmt::format("{}: row '{}': {} has dimensions known only at call time", escaped(file), escaped(row.id), text(*op)));
    std::unique_ptr<OpScope> scope(new OpScope(row, *op));
    std::vector<FloatArray*> arrays;
    for (const TensorSpec& spec : inputsOf(*op)) {
      if (spec.type != ElementType::F32) return badInput(fmt::format("{}: row '{}': input {} is not f32", escaped(file), escaped(row.id), spec.name));
      scope->inputs_.emplace_back(static_cast<size_t>(spec.elements()));
    }
    for (auto& input : scope->inputs_) arrays.push_back(&input);
    if (auto good = draw(arrays, row, seed, file); !good) return good.error();
    return std::unique_ptr<Scope>(std::move(scope));
  }

  Result<void> prepare(const KernelProvider& kernels) override {
    auto kernel = kernels(op_);
    if (!kernel) return kernel.error();
    kernel_ = *kernel;
    packed_.clear();
    auto call = bind(result_.data());
    if (!call) return call.error();
    call_ = std::make_unique<KernelCall>(std::move(*call));
    return {};
  }
  void warmUp() override {
    for (int64_t i = 0; i < row_.warmup; ++i) call_->run();
  }
  void run() override {
    for (int64_t i = 0; i < row_.calls; ++i) {
      if (!row_.allocResult) {
        call_->run();
        continue;
      }
      // A result of its own for every call, as recorded.
      FloatArray fresh(result_.size());
      call_->setOperand(kernel_->info.buffers.size() - 1, fresh.data());
      call_->run();
      if (i + 1 == row_.calls) std::copy_n(fresh.data(), result_.size(), result_.data());
    }
    call_->setOperand(kernel_->info.buffers.size() - 1, result_.data());
  }
  void call() override { call_->run(); }
  const OpDesc* op() const override { return &op_; }
  double flops() const override { return flopsOf(op_); }

  std::vector<std::string> wrong() const override {
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
      if (std::fabs(got - expected) > tolerance) messages.push_back(fmt::format("row '{}': check_{} is {:.7g}, recorded {:.7g}", row_.id, name, got, expected));
    }
    return messages;
  }

private:
  OpScope(const RecordRow& row, OpDesc op) : row_(row), op_(std::move(op)), result_(static_cast<size_t>(outputOf(op_).elements())) {}

  Result<KernelCall> bind(float* result) {
    std::vector<TensorSpec> specs = inputsOf(op_);
    std::vector<Operand> operands;
    auto shapeOf = [](const TensorSpec& spec) {
      std::vector<int64_t> shape;
      for (const TensorDim& dim : spec.dims) shape.push_back(dim.value);
      return shape;
    };
    for (size_t i = 0; i < kernel_->info.buffers.size(); ++i) {
      const KernelBuffer& buffer = kernel_->info.buffers[i];
      if (i >= specs.size()) operands.push_back({result, denseStrides(shapeOf(outputOf(op_)))});
      else if (buffer.use == BufferUse::Weight) operands.push_back({weight(i, buffer.pack, shapeOf(specs[i]).back()), {}});
      else operands.push_back({inputs_[i].data(), denseStrides(shapeOf(specs[i]))});
    }
    return KernelCall::make(kernel_, {}, operands);
  }
  const float* weight(size_t input, const PackLayout& layout, int64_t rowStride) {
    if (packed_.empty()) {
      packed_.resize(static_cast<size_t>(layout.elements()));
      packWeight(layout, inputs_[input].data(), rowStride, layout.depth * layout.columns, packed_.data());
    }
    return packed_.data();
  }

  RecordRow row_;
  OpDesc op_;
  std::vector<FloatArray> inputs_;
  FloatArray result_, packed_;
  KernelRef kernel_;
  std::unique_ptr<KernelCall> call_;
};

/// A gradient workload: `Work` has make(..., kernels) and iterate().
template <class Work>
class GradientScope : public Scope {
public:
  using Make = std::function<Result<Work>(const KernelProvider&)>;
  using Arrays = std::vector<FloatArray*> (*)(Work&);

  GradientScope(const RecordRow& row, Make make, Arrays arrays, int32_t seed, std::string file, double flops)
      : row_(row), make_(std::move(make)), arrays_(arrays), seed_(seed), file_(std::move(file)), flops_(flops) {}

  Result<void> prepare(const KernelProvider& kernels) override {
    auto work = make_(kernels);
    if (!work) return work.error();
    work_ = std::make_unique<Work>(std::move(*work));
    return draw(arrays_(*work_), row_, seed_, file_);
  }
  void warmUp() override {
    for (int64_t i = 0; i < row_.warmup; ++i) work_->iterate();
  }
  void run() override {
    for (int64_t i = 0; i < row_.calls; ++i) work_->iterate();
  }
  void call() override { work_->iterate(); }
  std::vector<std::string> wrong() const override { return {}; }
  double flops() const override { return flops_; }

private:
  RecordRow row_;
  Make make_;
  Arrays arrays_;
  int32_t seed_;
  std::string file_;
  double flops_;
  std::unique_ptr<Work> work_;
};

}  // namespace

Result<std::unique_ptr<Scope>> makeScope(const RecordRow& row, int32_t seed, const std::string& file) {
  if (row.workload == "op") return OpScope::make(row, seed, file);
  auto size = [&](const char* name) { return row.sizes.count(name) != 0 ? row.sizes.at(name) : int64_t{0}; };
  int64_t m = size("m"), k = size("k"), n = size("n"), h = size("h");
  auto mkn = static_cast<double>(m) * static_cast<double>(k) * static_cast<double>(n);
  if (row.workload == "matmul-backward" && m > 0 && k > 0 && n > 0) {
    auto make = [=](const KernelProvider& kernels) { return MatmulBackwardWorkload::make(m, k, n, kernels); };
    auto arrays = [](MatmulBackwardWorkload& work) { return std::vector<FloatArray*>{&work.a, &work.b}; };
    return std::unique_ptr<Scope>(new GradientScope<MatmulBackwardWorkload>(row, make, arrays, seed, file, 6 * mkn));
  }
  if (row.workload == "two-layer-step" && m > 0 && k > 0 && n > 0 && h > 0) {
    auto make = [=](const KernelProvider& kernels) { return TwoLayerWorkload::make(m, k, h, n, kernels); };
    auto arrays = [](TwoLayerWorkload& work) { return std::vector<FloatArray*>{&work.x, &work.w2, &work.w3}; };
    double flops = 2.0 * static_cast<double>(m * k * h) + 6.0 * static_cast<double>(m * h * n);
    return std::unique_ptr<Scope>(new GradientScope<TwoLayerWorkload>(row, make, arrays, seed, file, flops));
  }
  return badInput(fmt::format("{}: row '{}': workload '{}' is not known or lacks sizes; known: op, matmul-backward (m, k, n), two-layer-step (m, k, h, n)", escaped(file), escaped(row.id), escaped(row.workload)));
}

}  // namespace quern
