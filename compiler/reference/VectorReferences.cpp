// compiler/reference/VectorReferences.cpp — map, softmax, reduce, norms, embedding, transpose, rope in double.
#include "compiler/op/BlockValues.h"
#include "compiler/reference/OpReferences.h"
#include "compiler/reference/ScalarReference.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <tuple>

namespace quern {

/// Index of `flat` (row-major in `out`) in an operand broadcast to it.
static int64_t broadcastIndex(int64_t flat, const Shape& out, const Shape& operand) {
  int64_t offset = 0, stride = 1;
  for (size_t i = 0; i < out.size(); ++i) {
    int64_t extent = out[out.size() - 1 - i].value;
    int64_t at = flat % extent;
    flat /= extent;
    if (i >= operand.size()) continue;
    int64_t own = operand[operand.size() - 1 - i].value;
    if (own != 1) offset += at * stride;
    stride *= own;
  }
  return offset;
}

static size_t nodesOf(const ScalarExpr& expr) {
  size_t nodes = 1;
  for (const auto& argument : expr.args) nodes += nodesOf(*argument);
  return nodes;
}

ReferenceResult referenceOf(const MapOp& op, Inputs inputs, DataKind, const ReferenceScope& scope) {
  ReferenceResult result = unseen(op.output());
  Shape shape = op.outputShape();
  constexpr double kNodeWork = 60;
  double work = kNodeWork * static_cast<double>(nodesOf(*op.expr));
  forRows(static_cast<int64_t>(result.value.size()), work, scope, [&](int64_t i) {
    Bounded v = evaluate(*op.expr, [&](const std::string& name) {
      size_t which = 0;
      while (op.operands[which].name != name) ++which;
      return Bounded{inputs[which].f32()[broadcastIndex(i, shape, op.operands[which].shape)], 0};
    });
    result.value[static_cast<size_t>(i)] = v.value;
    result.limit[static_cast<size_t>(i)] = v.error;
  });
  return result;
}

namespace {

/// x as [outer, n, inner] around an axis.
struct View {
  int64_t outer = 1, n = 1, inner = 1;
  View(const Shape& x, size_t axis) {
    for (size_t i = 0; i < x.size(); ++i) (i < axis ? outer : i == axis ? n : inner) *= x[i].value;
  }
  int64_t at(int64_t o, int64_t r, int64_t i) const { return (o * n + r) * inner + i; }
};

}  // namespace

int64_t causalLimit(Causal causal, int64_t row, int64_t rows, int64_t columns) {
  if (causal == Causal::No) return columns;
  int64_t limit = row + 1 + (causal == Causal::TopLeft ? 0 : columns - rows);
  return std::clamp<int64_t>(limit, 0, columns);
}

double highest(const std::vector<double>& x) {
  double top = -INFINITY;
  for (double v : x) top = std::isnan(v) || std::isnan(top) ? std::numeric_limits<double>::quiet_NaN() : std::max(top, v);
  return top;
}

ReferenceResult referenceOf(const SoftmaxOp& op, Inputs inputs, DataKind, const ReferenceScope& scope) {
  ReferenceResult result = unseen(op.output());
  View view(op.x, op.axisIndex());
  int64_t rows = op.x.size() > 1 ? op.x[op.x.size() - 2].value : 1;
  forRows(view.outer * view.inner, 40 * static_cast<double>(view.n), scope, [&](int64_t row) {
    int64_t o = row / view.inner, i = row % view.inner;
    int64_t limit = causalLimit(op.causal, o % std::max<int64_t>(1, rows), rows, view.n);
    std::vector<double> x;
    for (int64_t r = 0; r < limit; ++r) x.push_back(inputs[0].f32()[view.at(o, r, i)]);
    double top = highest(x), sum = 0;
    for (double v : x) sum += std::exp(op.factor() * (v - top));
    for (int64_t r = 0; r < view.n; ++r) {
      auto at = static_cast<size_t>(view.at(o, r, i));
      result.limit[at] = 0;
      if (r >= limit) continue;
      double t = op.factor() * (x[static_cast<size_t>(r)] - top);
      result.value[at] = std::exp(t) / sum;
      result.limit[at] = result.value[at] == 0 ? 0x1p-126 : (8 + std::fabs(t)) * kEps * result.value[at] + 0x1p-126;
    }
  });
  return result;
}

namespace {

/// Where the elements of some of x's dimensions begin, in row-major order of those.
class Offsets {
public:
  Offsets(const Shape& x, const std::vector<bool>& which, bool wanted) {
    int64_t stride = 1;
    for (size_t i = x.size(); i > 0; --i) {
      if (which[i - 1] == wanted) dims_.push_back({x[i - 1].value, stride}), count_ *= x[i - 1].value;
      stride *= x[i - 1].value;
    }
  }
  int64_t count() const { return count_; }
  int64_t operator[](int64_t flat) const {
    int64_t offset = 0;
    for (auto [extent, stride] : dims_) offset += flat % extent * stride, flat /= extent;
    return offset;
  }

private:
  std::vector<std::pair<int64_t, int64_t>> dims_;  // innermost first
  int64_t count_ = 1;
};

/// What a product of x may err: it depends on nothing but x, whatever is multiplied first (ReduceOp.h).
double productLimit(const std::vector<double>& x, double product) {
  double above = 1, below = 1;
  bool infinite = false;
  for (double v : x) {
    infinite |= std::isinf(v);
    if (std::isfinite(v)) above *= std::max(1.0, std::fabs(v));
    if (v != 0) below *= std::min(1.0, std::fabs(v));
  }
  bool anything = above >= 0x1p127 || (infinite && below < 0x1p-126);
  if (std::isnan(product) || !anything) return static_cast<double>(x.size()) * (0.5 * kEps * std::fabs(product) * 1.001 + 0x1p-149 * above);
  return std::numeric_limits<double>::quiet_NaN();
}

/// f of the elements of one output, and how far a kernel may be from it; `unit` times the sum of magnitudes for sums.
std::pair<double, double> reducedOf(ReduceFn fn, std::vector<double> x, double unit) {
  double sum = 0, magnitude = 0, product = 1;
  for (double v : x) sum += v, magnitude += std::fabs(v), product *= v;
  auto n = static_cast<double>(x.size());
  switch (fn) {
    case ReduceFn::Sum: return {sum, unit * magnitude};
    case ReduceFn::Mean: return {sum / n, unit * magnitude / n + 0.5 * ulpOf(sum / n)};
    case ReduceFn::Max: return {highest(x), 0};
    case ReduceFn::Prod: return {product, productLimit(x, product)};
    case ReduceFn::Min: break;
  }
  for (double& v : x) v = -v;
  return {-highest(x), 0};
}

}  // namespace

ReferenceResult referenceOf(const ReduceOp& op, Inputs inputs, DataKind kind, const ReferenceScope& scope) {
  ReferenceResult result = unseen(op.output());
  std::vector<bool> which = op.reduced();
  Offsets kept(op.x, which, false), reduced(op.x, which, true);
  double unit = kind == DataKind::Integer ? 0 : 4 * kEps;  // whatever the length
  forRows(kept.count(), 12 * static_cast<double>(reduced.count()), scope, [&](int64_t row) {
    const float* from = inputs[0].f32() + kept[row];
    std::vector<double> x;
    for (int64_t r = 0; r < reduced.count(); ++r) x.push_back(from[reduced[r]]);
    std::tie(result.value[static_cast<size_t>(row)], result.limit[static_cast<size_t>(row)]) = reducedOf(op.fn, std::move(x), unit);
  });
  return result;
}

/// Rows of x (of x + residual, rounded) over what is normalised together; `body(row pointer, width, first output index)`.
template <class Body>
static void eachRow(const NormShape& shape, Inputs inputs, const ReferenceScope& scope, Body&& body) {
  int64_t width = shape.width(), rows = 1;
  for (size_t i = 0; i < shape.firstAxis(); ++i) rows *= shape.x[i].value;
  std::vector<float> row(static_cast<size_t>(width));
  forRows(rows, 10 * static_cast<double>(width), scope, [&](int64_t r) {
    for (int64_t j = 0; j < width; ++j)
      row[static_cast<size_t>(j)] = inputs[0].f32()[r * width + j] + (shape.residual ? inputs[1].f32()[r * width + j] : 0.0f);
    body(row.data(), width, static_cast<size_t>(r * width));
  });
}

/// Anything is right of a normalised value that may underflow in f32, times an infinite gain; and of a product that overflows before it
/// is added to `bias`.
static void allowAnyOutsideF32(ReferenceResult& result, size_t at, double normalised, double gain, double bias = 0) {
  bool underflows = std::isinf(gain) && std::fabs(normalised) < 0x1p-120;
  bool overflows = bias != 0 && std::isfinite(gain) && std::fabs(normalised * gain) > std::numeric_limits<float>::max();
  if (underflows || overflows) result.limit[at] = std::numeric_limits<double>::quiet_NaN();
}

ReferenceResult referenceOf(const LayerNormOp& op, Inputs inputs, DataKind kind, const ReferenceScope& scope) {
  ReferenceResult result = unseen(op.output());
  eachRow(op.shape, inputs, scope, [&](const float* x, int64_t width, size_t at) {
    double mean = 0, variance = 0, magnitude = 0;
    for (int64_t j = 0; j < width; ++j) {
      mean += x[j];
      magnitude += std::fabs(x[j]);
    }
    mean /= static_cast<double>(width);
    // Nothing known of the data: large values may cancel in the mean, and its error is that of their sum; without a bias it shows.
    magnitude = kind == DataKind::Any || !op.bias ? magnitude / static_cast<double>(width) : std::fabs(mean);
    for (int64_t j = 0; j < width; ++j) variance += (x[j] - mean) * (x[j] - mean);
    double rstd = 1 / std::sqrt(variance / static_cast<double>(width) + static_cast<double>(op.shape.eps));
    for (int64_t j = 0; j < width; ++j, ++at) {
      double gain = inputs[op.shape.residual ? 2 : 1].f32()[j], bias = op.bias ? inputs.back().f32()[j] : 0;
      result.value[at] = (x[j] - mean) * rstd * gain + bias;
      result.limit[at] =
          16 * kEps * (std::fabs(gain) * rstd * (std::fabs(x[j]) + magnitude) + std::fabs(bias)) + std::fabs(gain) * 0x1p-149;
      allowAnyOutsideF32(result, at, (x[j] - mean) * rstd, gain, bias);
    }
  });
  handOn(op.shape.out, result);
  return result;
}

ReferenceResult referenceOf(const RmsNormOp& op, Inputs inputs, DataKind, const ReferenceScope& scope) {
  ReferenceResult result = unseen(op.output());
  eachRow(op.shape, inputs, scope, [&](const float* x, int64_t width, size_t at) {
    double squares = 0;
    for (int64_t j = 0; j < width; ++j) squares += double{x[j]} * x[j];
    double rstd = 1 / std::sqrt(squares / static_cast<double>(width) + static_cast<double>(op.shape.eps));
    for (int64_t j = 0; j < width; ++j, ++at) {
      double gain = inputs.back().f32()[j];
      result.value[at] = x[j] * rstd * gain;
      result.limit[at] = std::fabs(gain) * (16 * kEps * rstd * std::fabs(x[j]) + 0x1p-149);
      allowAnyOutsideF32(result, at, x[j] * rstd, gain);
    }
  });
  handOn(op.shape.out, result);
  return result;
}

ReferenceResult referenceOf(const EmbeddingOp& op, Inputs inputs, DataKind, const ReferenceScope& scope) {
  ReferenceResult result = unseen(op.output());
  int64_t bag = op.bagSize();
  forRows(op.rows() / bag, static_cast<double>(op.d.value * bag), scope, [&](int64_t t) {
    for (int64_t j = 0; j < op.d.value; ++j) {
      auto at = static_cast<size_t>(t * op.d.value + j);
      double size = 0;
      for (int64_t i = t * bag; i < (t + 1) * bag; ++i) {
        int64_t id = inputs[0].i32()[i], row = id < 0 ? id + op.v.value : id;
        double x = double{inputs[1].f32()[row * op.d.value + j]} * (op.bag ? double{inputs[2].f32()[i]} : 1);
        result.value[at] += x;
        size += std::fabs(x);
      }
      result.limit[at] = op.bag ? static_cast<double>(bag) * kEps * size : 0;
      if (std::isnan(result.limit[at])) result.limit[at] = 0;  // the value says so
      if (op.bag && std::isfinite(size) && size > std::numeric_limits<float>::max())
        result.limit[at] = std::numeric_limits<double>::quiet_NaN();
    }
  });
  return result;
}

ReferenceResult referenceOf(const TransposeOp& op, Inputs inputs, DataKind, const ReferenceScope& scope) {
  ReferenceResult result = unseen(op.output());
  TensorSpec out = op.output();
  size_t rank = op.x.size();
  std::vector<int64_t> stride(rank, 1);
  for (size_t i = rank; i > 1; --i) stride[i - 2] = stride[i - 1] * op.x[i - 1].value;
  constexpr double kWork = 20;
  forRows(static_cast<int64_t>(result.value.size()), kWork, scope, [&](int64_t flat) {
    int64_t rest = flat, from = 0;
    for (size_t i = rank; i > 0; --i) {
      from += rest % out.dims[i - 1].value * stride[static_cast<size_t>(op.perm[i - 1])];
      rest /= out.dims[i - 1].value;
    }
    result.value[static_cast<size_t>(flat)] = inputs[0].f32()[from];
    result.limit[static_cast<size_t>(flat)] = 0;
  });
  return result;
}

std::vector<float> floatsOf(ElementType type, const TensorData& tensor) {
  int64_t count = 1;
  for (int64_t extent : tensor.shape) count *= extent;
  std::vector<float> values(static_cast<size_t>(count));
  rowValues(type, static_cast<const std::byte*>(tensor.data), count, values.data());
  return values;
}

/// What writing a block of q8_0 adds to the limits of `value`, the 32 numbers from `first` on: the bound of keptBlock.
static void keepBlock(ReferenceResult& result, size_t first) {
  constexpr double kAny = std::numeric_limits<double>::quiet_NaN();
  double most = 0, error = 0;
  bool finite = true, known = true;
  for (size_t i = first; i < first + CodedBlock::kElements; ++i) {
    finite = finite && std::isfinite(result.value[i]);
    known = known && !std::isnan(result.limit[i]);
    most = std::max(most, std::fabs(result.value[i]));
    error = std::max(error, result.limit[i]);
  }
  double largest = 127 * double{CodedBlock::kBeyondHalf}, reached = (most + error) * (1 + 0x1p-20);
  bool none = !finite || (most - error) * (1 - 0x1p-20) > largest;
  for (size_t i = first; i < first + CodedBlock::kElements; ++i) {
    if (none) result.value[i] = kAny;
    result.limit[i] = none ? 0 : !known || reached >= largest ? kAny : result.limit[i] + reached * (1.0 / 254 + 0x1p-11) + 127 * 0x1p-25;
  }
}

ReferenceResult referenceOf(const RopeOp& op, Inputs inputs, DataKind, const ReferenceScope& scope) {
  ReferenceResult result = unseen(op.output());
  int64_t heads = op.x[1].value, width = op.x[2].value, turned = op.width(), pairs = turned / 2;
  bool half = op.pairs == RopePairs::Half;
  // What is rounded to the type it is kept in; `error` before that, of a result of which no part is above `most`.
  auto limitOf = [&](size_t at, double error, double most) {
    double& limit = result.limit[at] = error;
    if (op.to == ElementType::F16) limit += std::fabs(result.value[at]) * 0x1p-11 + 0x1p-25;
    if (op.to == ElementType::BF16) limit += std::fabs(result.value[at]) * 0x1p-8 + 0x1p-134;
    if (std::isnan(limit)) limit = 0;  // the value is NaN and says so
    if (std::isfinite(most) && most > std::numeric_limits<float>::max()) limit = std::numeric_limits<double>::quiet_NaN();
    double beyond = op.to == ElementType::F16 ? 65520 : op.to == ElementType::BF16 ? 0x1.ffp127 : std::numeric_limits<double>::infinity();
    if (std::isfinite(result.value[at]) && std::fabs(result.value[at]) + limit >= beyond) limit = std::numeric_limits<double>::quiet_NaN();
  };
  forRows(op.x[0].value * heads, 40 * static_cast<double>(pairs), scope, [&](int64_t row) {
    for (int64_t i = 0; i < pairs; ++i) {
      const float* angles = inputs[1].f32() + row / heads * turned;
      double cosine = angles[i], sine = angles[pairs + i];
      auto first = static_cast<size_t>(row * width + (half ? i : 2 * i)), second = first + (half ? static_cast<size_t>(pairs) : 1);
      double a = inputs[0].f32()[first], b = inputs[0].f32()[second];
      result.value[first] = a * cosine - b * sine;
      result.value[second] = b * cosine + a * sine;
      for (size_t at : {first, second}) {
        double most = std::hypot(a, b) * std::max(1.0, std::hypot(cosine, sine));
        limitOf(at, 4 * kEps * most, most);
      }
    }
    for (int64_t d = turned; d < width; ++d) {
      auto at = static_cast<size_t>(row * width + d);
      result.value[at] = inputs[0].f32()[at];
      limitOf(at, 0, std::fabs(result.value[at]));
    }
    for (int64_t d = 0; isQuantised(op.to) && d < width; d += CodedBlock::kElements)
      keepBlock(result, static_cast<size_t>(row * width + d));
  });
  return result;
}

}  // namespace quern
