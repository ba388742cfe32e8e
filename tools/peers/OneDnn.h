// tools/peers/OneDnn.h — what oneDNN's ways share: primitives bound to memory, and the choice of the quickest.
#pragma once

#include "tools/peers/PlugIn.h"

#include <functional>
#include <oneapi/dnnl/dnnl.hpp>
#include <unordered_map>
#include <vector>

namespace quern::peer {

constexpr auto kF32 = dnnl::memory::data_type::f32;

/// One way to compute an op, with its memory bound.
struct Way {
  std::string name;
  std::function<void()> run;
};

/// Throws where the way does not exist for the op.
using BuildWay = std::function<Way()>;

/// The quickest of the ways that `list` gives, as a handle for `run`; or null, with the reason in `text`.
void* quickestWay(int threads, const std::function<std::vector<BuildWay>()>& list, char* text, size_t textBytes);

/// The vector ops of the table (OneDnnVector.cpp).
void* prepareVector(const QuernPeerVector* op, char* text, size_t textBytes);

/// A product of bytes (OneDnnBytes.cpp).
void* prepareBytes(const QuernPeerMatmul* op, char* text, size_t textBytes);

using Arguments = std::unordered_map<int, dnnl::memory>;

/// Scratch memory is bound once like any other argument.
inline dnnl::primitive_attr ownScratchpad() {
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return attributes;
}

/// Where primitives run.
struct Place {
  dnnl::engine engine{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream{engine};

  dnnl::memory over(const dnnl::memory::desc& desc, const float* data) const { return {desc, engine, const_cast<float*>(data)}; }

  /// The same numbers as `wanted` has them: a copy where that is another layout.
  dnnl::memory inLayout(const dnnl::memory& given, const dnnl::memory::desc& wanted) const {
    if (given.get_desc() == wanted) return given;
    dnnl::memory own = given, copy(wanted, engine);
    dnnl::stream order = stream;
    dnnl::reorder(own, copy).execute(order, own, copy);
    order.wait();
    return copy;
  }

  /// A primitive made with ownScratchpad() and its arguments; the name also says which implementation was picked.
  Way bound(const std::string& name, const dnnl::primitive_desc_base& made, dnnl::primitive primitive, Arguments arguments) const {
    arguments.insert({DNNL_ARG_SCRATCHPAD, dnnl::memory(made.scratchpad_desc(), engine)});
    auto call = [place = *this, primitive, arguments]() mutable {
      primitive.execute(place.stream, arguments);
      place.stream.wait();
    };
    return {name + " " + made.impl_info_str(), call};
  }
};

struct Eltwise {
  dnnl::algorithm algorithm;
  float alpha;
};

/// A function of one element.
inline Eltwise eltwiseOf(int fn) {
  switch (fn) {
    case kQuernPeerGeluTanh: return {dnnl::algorithm::eltwise_gelu_tanh, 0};
    case kQuernPeerGeluErf: return {dnnl::algorithm::eltwise_gelu_erf, 0};
    case kQuernPeerRelu: return {dnnl::algorithm::eltwise_relu, 0};
    case kQuernPeerSilu: return {dnnl::algorithm::eltwise_swish, 1};
    case kQuernPeerExp: return {dnnl::algorithm::eltwise_exp, 0};
    case kQuernPeerLog: return {dnnl::algorithm::eltwise_log, 0};
    case kQuernPeerTanh: return {dnnl::algorithm::eltwise_tanh, 0};
    case kQuernPeerSigmoid: return {dnnl::algorithm::eltwise_logistic, 0};
    case kQuernPeerSqrt: return {dnnl::algorithm::eltwise_sqrt, 0};
    case kQuernPeerAbs: return {dnnl::algorithm::eltwise_abs, 0};
    default: return {dnnl::algorithm::undef, 0};
  }
}

}  // namespace quern::peer
