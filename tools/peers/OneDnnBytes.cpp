// tools/peers/OneDnnBytes.cpp — oneDNN's product of int8 with int8, A's codes made beforehand: what is timed is the product alone.
#include "tools/peers/OneDnn.h"

#include <algorithm>
#include <cmath>
#include <memory>

using namespace quern::peer;
using dnnl::memory;

namespace {

constexpr auto kS8 = memory::data_type::s8;

/// Rows of A as whole numbers up to 127 times a scale of each.
struct Codes {
  std::vector<int8_t> bytes;
  std::vector<float> scales;

  explicit Codes(const QuernPeerMatmul& op) : bytes(static_cast<size_t>(op.m * op.k)), scales(static_cast<size_t>(op.m)) {
    for (int64_t i = 0; i < op.m; ++i) {
      const float* row = op.a + i * op.k;
      float largest = 0;
      for (int64_t k = 0; k < op.k; ++k) largest = std::max(largest, std::fabs(row[k]));
      scales[static_cast<size_t>(i)] = largest / 127;
      for (int64_t k = 0; k < op.k && largest > 0; ++k)
        bytes[static_cast<size_t>(i * op.k + k)] = static_cast<int8_t>(std::nearbyint(row[k] * (127 / largest)));
    }
  }
};

/// Codes times bytes and the scales of columns; then, for a scale of each row sends the product to the plain loop, a pass of its own over
/// the result: times the scales of rows, bias, activation, residual.
class BytesBuilder {
public:
  explicit BytesBuilder(const QuernPeerMatmul& op) : op_(op), codes_(std::make_shared<Codes>(op)) {}

  Way way() const {
    Way product = matmul(), rest = rows();
    return {product.name + ", rows apart", [first = product.run, second = rest.run, kept = codes_] {
              first();
              second();
            }};
  }

private:
  memory::desc out() const { return {{op_.m, op_.n}, kF32, memory::format_tag::ab}; }

  Way matmul() const {
    memory::desc source({op_.m, op_.k}, kS8, memory::format_tag::ab);
    memory::desc stored({op_.k, op_.n}, kS8, op_.tb ? memory::dims{1, op_.k} : memory::dims{op_.n, 1});
    memory::desc wanted(stored.dims(), kS8, memory::format_tag::any);
    dnnl::primitive_attr attributes = ownScratchpad();
    attributes.set_output_scales(1 << 1, std::vector<float>(op_.scales, op_.scales + op_.n));
    dnnl::matmul::primitive_desc made(dnnl::matmul::desc(source, wanted, out()), attributes, place_.engine);
    memory weights = place_.inLayout(memory(stored, place_.engine, const_cast<int8_t*>(op_.bytes)), made.weights_desc());
    Arguments arguments = {{DNNL_ARG_SRC, memory(source, place_.engine, codes_->bytes.data())},
                           {DNNL_ARG_WEIGHTS, weights},
                           {DNNL_ARG_DST, place_.over(out(), op_.c)}};
    return place_.bound("matmul of codes made before", made, dnnl::matmul(made), arguments);
  }

  Way rows() const {
    memory::desc scales({op_.m, 1}, kF32, memory::format_tag::ab), bias({1, op_.n}, kF32, memory::format_tag::ab);
    Arguments arguments = {{DNNL_ARG_SRC_0, place_.over(out(), op_.c)},
                           {DNNL_ARG_SRC_1, place_.over(scales, codes_->scales.data())},
                           {DNNL_ARG_DST, place_.over(out(), op_.c)}};
    dnnl::post_ops after;
    auto added = [&](const memory::desc& desc, const float* data) {
      if (data == nullptr) return;
      arguments.insert({DNNL_ARG_ATTR_MULTIPLE_POST_OP(after.len()) | DNNL_ARG_SRC_1, place_.over(desc, data)});
      after.append_binary(dnnl::algorithm::binary_add, desc);
    };
    added(bias, op_.bias);
    if (op_.activation != kQuernPeerNone) {
      Eltwise activation = eltwiseOf(op_.activation);
      after.append_eltwise(1, activation.algorithm, activation.alpha, 0);
    }
    added(out(), op_.residual);
    dnnl::primitive_attr attributes = ownScratchpad();
    attributes.set_post_ops(after);
    dnnl::binary::primitive_desc made({dnnl::algorithm::binary_mul, out(), scales, out()}, attributes, place_.engine);
    return place_.bound("binary", made, dnnl::binary(made), arguments);
  }

  QuernPeerMatmul op_;
  std::shared_ptr<Codes> codes_;
  Place place_;
};

}  // namespace

void* quern::peer::prepareBytes(const QuernPeerMatmul* op, char* text, size_t textBytes) {
  if (op->batch != 1) return say(text, textBytes, "one product of bytes at a time"), nullptr;
  if (op->acc != 0) return say(text, textBytes, "products of bytes with acc=1 are not measured"), nullptr;
  auto list = [op] { return std::vector<BuildWay>{[builder = BytesBuilder(*op)] { return builder.way(); }}; };
  return quickestWay(op->threads, list, text, textBytes);
}
