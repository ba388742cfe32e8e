// tools/peers/OneDnnVector.cpp — oneDNN's eltwise, binary, softmax, layer normalization and reduction primitives.
#include "tools/peers/OneDnn.h"

#include <stdexcept>
#include <utility>

namespace quern::peer {

namespace {

using dnnl::memory;
using Dims = memory::dims;

constexpr auto kInference = dnnl::prop_kind::forward_inference;

memory::desc dense(const Dims& dims) {
  Dims strides(dims.size(), 1);
  for (size_t i = dims.size(); i-- > 1;) strides[i - 1] = strides[i] * dims[i];
  return {dims, kF32, strides};
}

int64_t product(const int64_t* dims, int count) {
  int64_t all = 1;
  for (int i = 0; i < count; ++i) all *= dims[i];
  return all;
}

/// The dimensions of an op along one axis.
struct AxisView {
  Dims dims;
  int axis;
};

/// As given, and as [outer, axis, inner] without dimensions of 1: implementations differ in the ranks they take.
std::vector<AxisView> viewsOf(const QuernPeerVector& op) {
  AxisView given{Dims(op.x, op.x + op.rank), op.axis}, merged{{op.x[op.axis]}, 0};
  if (int64_t inner = product(op.x + op.axis + 1, op.rank - op.axis - 1); inner > 1) merged.dims.push_back(inner);
  if (int64_t outer = product(op.x, op.axis); outer > 1 || merged.dims.size() == 1) {
    merged.dims.insert(merged.dims.begin(), outer);
    merged.axis = 1;
  }
  if (merged.dims == given.dims) return {given};
  return {given, merged};
}

/// The dimensions of a binary op, of the same rank.
struct PairView {
  Dims x, y;
};

/// As given, and with neighbouring axes that stretch alike as one.
std::vector<PairView> pairViewsOf(const QuernPeerVector& op) {
  PairView given{Dims(op.x, op.x + op.rank), Dims(op.y, op.y + op.rank)}, merged;
  for (int i = 0; i < op.rank; ++i) {
    if (op.x[i] == 1 && op.y[i] == 1) continue;
    bool alike = !merged.x.empty() && (merged.x.back() == merged.y.back()) == (op.x[i] == op.y[i]);
    if (alike) {
      merged.x.back() *= op.x[i];
      merged.y.back() *= op.y[i];
    } else {
      merged.x.push_back(op.x[i]);
      merged.y.push_back(op.y[i]);
    }
  }
  if (merged.x.empty()) merged = {{1}, {1}};
  if (merged.x == given.x) return {given};
  return {given, merged};
}

dnnl::algorithm binaryOf(int fn) {
  switch (fn) {
    case kQuernPeerAdd: return dnnl::algorithm::binary_add;
    case kQuernPeerSub: return dnnl::algorithm::binary_sub;
    case kQuernPeerMul: return dnnl::algorithm::binary_mul;
    case kQuernPeerDiv: return dnnl::algorithm::binary_div;
    case kQuernPeerMax: return dnnl::algorithm::binary_max;
    case kQuernPeerMin: return dnnl::algorithm::binary_min;
    default: return dnnl::algorithm::undef;
  }
}

dnnl::algorithm reductionOf(int fn) {
  switch (fn) {
    case kQuernPeerSum: return dnnl::algorithm::reduction_sum;
    case kQuernPeerMean: return dnnl::algorithm::reduction_mean;
    case kQuernPeerMax: return dnnl::algorithm::reduction_max;
    case kQuernPeerMin: return dnnl::algorithm::reduction_min;
    default: return dnnl::algorithm::undef;
  }
}

/// Builds the ways of one op.
class VectorBuilder {
public:
  explicit VectorBuilder(const QuernPeerVector& op) : op_(op) {}

  Way eltwise() const {
    memory::desc all = dense({product(op_.x, op_.rank)});
    Eltwise fn = eltwiseOf(op_.fn);
    dnnl::eltwise_forward::primitive_desc made({kInference, fn.algorithm, all, fn.alpha, 0}, ownScratchpad(), place_.engine);
    return place_.bound("eltwise", made, dnnl::eltwise_forward(made),
                        {{DNNL_ARG_SRC, place_.over(all, op_.in[0])}, {DNNL_ARG_DST, place_.over(all, op_.out)}});
  }

  Way binary(const PairView& view) const {
    memory::desc x = dense(view.x), y = dense(view.y);
    dnnl::binary::primitive_desc made({binaryOf(op_.fn), x, y, x}, ownScratchpad(), place_.engine);
    return place_.bound("binary", made, dnnl::binary(made),
                        {{DNNL_ARG_SRC_0, place_.over(x, op_.in[0])},
                         {DNNL_ARG_SRC_1, place_.over(y, op_.in[1])},
                         {DNNL_ARG_DST, place_.over(x, op_.out)}});
  }

  Way softmax(const AxisView& view) const {
    memory::desc x = dense(view.dims);
    dnnl::softmax_forward::primitive_desc made({kInference, x, view.axis}, ownScratchpad(), place_.engine);
    return place_.bound("softmax", made, dnnl::softmax_forward(made),
                        {{DNNL_ARG_SRC, place_.over(x, op_.in[0])}, {DNNL_ARG_DST, place_.over(x, op_.out)}});
  }

  /// Gain and bias as they lie.
  Way layerNorm() const {
    memory::desc weight = dense({op_.x[op_.axis]});
    return normalized("layer_normalization", dnnl::normalization_flags::use_scale | dnnl::normalization_flags::use_shift,
                      {{DNNL_ARG_SCALE, place_.over(weight, op_.in[1])}, {DNNL_ARG_SHIFT, place_.over(weight, op_.in[2])}});
  }

  /// Gain and bias copied once into one array [2, width].
  Way layerNormPacked() const {
    int64_t width = op_.x[op_.axis];
    memory packed(dense({2, width}), place_.engine);
    auto* data = static_cast<float*>(packed.get_data_handle());
    std::copy_n(op_.in[1], width, data);
    std::copy_n(op_.in[2], width, data + width);
    return normalized("layer_normalization, packed", dnnl::normalization_flags::use_scale_shift, {{DNNL_ARG_SCALE_SHIFT, packed}});
  }

  Way reduction(const AxisView& view) const {
    Dims reduced = view.dims;
    reduced[static_cast<size_t>(view.axis)] = 1;
    memory::desc x = dense(view.dims), out = dense(reduced);
    dnnl::reduction::primitive_desc made({reductionOf(op_.fn), x, out, 0, 0}, ownScratchpad(), place_.engine);
    return place_.bound("reduction", made, dnnl::reduction(made),
                        {{DNNL_ARG_SRC, place_.over(x, op_.in[0])}, {DNNL_ARG_DST, place_.over(out, op_.out)}});
  }

private:
  /// Rows of the last axis, each with its own statistics.
  Way normalized(const char* name, dnnl::normalization_flags flags, Arguments weights) const {
    memory::desc x = dense({product(op_.x, op_.axis), op_.x[op_.axis]});
    dnnl::layer_normalization_forward::primitive_desc made({kInference, x, op_.eps, flags}, ownScratchpad(), place_.engine);
    weights.insert({DNNL_ARG_SRC, place_.over(x, op_.in[0])});
    weights.insert({DNNL_ARG_DST, place_.over(x, op_.out)});
    return place_.bound(name, made, dnnl::layer_normalization_forward(made), std::move(weights));
  }

  QuernPeerVector op_;
  Place place_;
};

bool stretches(const int64_t* dims, const int64_t* other, int rank) {
  for (int i = 0; i < rank; ++i)
    if (dims[i] != other[i] && dims[i] == 1) return true;
  return false;
}

/// Binary primitives stretch their second operand: the one that stretches is put there.
QuernPeerVector secondStretches(QuernPeerVector op) {
  if (!stretches(op.x, op.y, op.rank)) return op;
  if (stretches(op.y, op.x, op.rank)) throw std::runtime_error("both operands stretch; its binary primitive stretches the second");
  if (op.fn == kQuernPeerSub || op.fn == kQuernPeerDiv)
    throw std::runtime_error("the first operand stretches; its binary primitive stretches the second");
  std::swap(op.x, op.y);
  std::swap(op.in[0], op.in[1]);
  return op;
}

std::vector<BuildWay> waysOf(const QuernPeerVector& op) {
  VectorBuilder builder(op);
  std::vector<BuildWay> ways;
  switch (op.kind) {
    case kQuernPeerUnary: ways.emplace_back([=] { return builder.eltwise(); }); break;
    case kQuernPeerBinary:
      for (const PairView& view : pairViewsOf(op)) ways.emplace_back([=] { return builder.binary(view); });
      break;
    case kQuernPeerSoftmax:
      for (const AxisView& view : viewsOf(op)) ways.emplace_back([=] { return builder.softmax(view); });
      break;
    case kQuernPeerLayerNorm: ways = {[=] { return builder.layerNorm(); }, [=] { return builder.layerNormPacked(); }}; break;
    case kQuernPeerReduce:
      for (const AxisView& view : viewsOf(op)) ways.emplace_back([=] { return builder.reduction(view); });
      break;
  }
  return ways;
}

}  // namespace

void* prepareVector(const QuernPeerVector* op, char* text, size_t textBytes) {
  auto list = [&] { return waysOf(op->kind == kQuernPeerBinary ? secondStretches(*op) : *op); };
  return quickestWay(op->threads, list, text, textBytes);
}

}  // namespace quern::peer
