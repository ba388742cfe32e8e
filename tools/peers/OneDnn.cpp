// tools/peers/OneDnn.cpp — oneDNN as a peer: its matmul, inner product and sgemm, whichever is quickest.
#include "tools/peers/OneDnn.h"

#include <memory>
#include <omp.h>

using namespace quern::peer;
using dnnl::memory;

namespace {

struct NamedIsa {
  dnnl::cpu_isa isa;
  const char *name, *level;
};
constexpr NamedIsa kIsas[] = {{dnnl::cpu_isa::sse41, "sse41", "x86-64-v2"},
                              {dnnl::cpu_isa::avx, "avx", "x86-64-v2"},
                              {dnnl::cpu_isa::avx2, "avx2", "x86-64-v3"},
                              {dnnl::cpu_isa::avx2_vnni, "avx2_vnni", "x86-64-v3"},
                              {dnnl::cpu_isa::avx512_core, "avx512_core", "x86-64-v4"},
                              {dnnl::cpu_isa::avx512_core_vnni, "avx512_core_vnni", "x86-64-v4"},
                              {dnnl::cpu_isa::avx512_core_bf16, "avx512_core_bf16", "x86-64-v4"},
                              {dnnl::cpu_isa::avx512_core_amx, "avx512_core_amx", "x86-64-v4"}};

NamedIsa isaInUse() {
  dnnl::cpu_isa isa = dnnl::get_effective_cpu_isa();
  for (const NamedIsa& known : kIsas)
    if (known.isa == isa) return known;
#if defined(__x86_64__)
  return {isa, "default", "x86-64"};
#else
  return {isa, "default", "aarch64"};
#endif
}

const char* path() { return isaInUse().name; }
const char* level() { return isaInUse().level; }
const char* valueFor(const char* level) {
  constexpr NamedLevel limits[] = {{"ALL", "x86-64-v4"}, {"AVX2", "x86-64-v3"}, {"SSE41", "x86-64-v2"}, {"SSE41", "x86-64"}};
  return nameOf(limits, level);
}
const char* libraryVersion() {
  static char version[32];
  const dnnl_version_t* own = dnnl_version();
  std::snprintf(version, sizeof version, "%d.%d.%d", own->major, own->minor, own->patch);
  return version;
}

/// Builds the ways; dimensions and strides as oneDNN names them.
class Builder {
public:
  explicit Builder(const QuernPeerMatmul& op) : op_(op) {}

  /// Weights in the format oneDNN prefers where they may be packed.
  Way matmul() const {
    bool batched = op_.batch > 1;
    auto described = [&](int64_t rows, int64_t columns, bool transposed) {
      memory::dims dims = {rows, columns}, strides = {transposed ? 1 : columns, transposed ? rows : 1};
      if (batched) {
        dims.insert(dims.begin(), op_.batch);
        strides.insert(strides.begin(), rows * columns);
      }
      return memory::desc(dims, kF32, strides);
    };
    memory::desc source = described(op_.m, op_.k, op_.ta), weights = described(op_.k, op_.n, op_.tb), out = described(op_.m, op_.n, false);
    memory::desc bias(batched ? memory::dims{1, 1, op_.n} : memory::dims{1, op_.n}, kF32,
                      batched ? memory::format_tag::abc : memory::format_tag::ab);
    memory::desc wanted = op_.constB ? memory::desc(weights.dims(), kF32, memory::format_tag::any) : weights;
    auto desc = op_.bias != nullptr ? dnnl::matmul::desc(source, wanted, bias, out) : dnnl::matmul::desc(source, wanted, out);
    dnnl::matmul::primitive_desc made(desc, attributes(out), place_.engine);
    return bound("matmul", made, dnnl::matmul(made), weights, bias, out);
  }

  /// The same as a fully connected layer, whose weights are [n,k].
  Way innerProduct() const {
    memory::desc source({op_.m, op_.k}, kF32, memory::dims{op_.ta ? 1 : op_.k, op_.ta ? op_.m : 1});
    memory::desc weights({op_.n, op_.k}, kF32, memory::dims{op_.tb ? op_.k : 1, op_.tb ? 1 : op_.n});
    memory::desc out({op_.m, op_.n}, kF32, memory::format_tag::ab), bias({op_.n}, kF32, memory::format_tag::a);
    memory::desc wanted = op_.constB ? memory::desc(weights.dims(), kF32, memory::format_tag::any) : weights;
    constexpr auto kind = dnnl::prop_kind::forward_inference;
    using Layer = dnnl::inner_product_forward;
    auto desc = op_.bias != nullptr ? Layer::desc(kind, source, wanted, bias, out) : Layer::desc(kind, source, wanted, out);
    Layer::primitive_desc made(desc, attributes(out), place_.engine);
    return bound("inner_product", made, Layer(made), weights, bias, out);
  }

  Way sgemm() const {
    QuernPeerMatmul op = op_;
    auto call = [op] {
      dnnl::sgemm(op.ta ? 'T' : 'N', op.tb ? 'T' : 'N', op.m, op.n, op.k, 1, op.a, op.ta ? op.m : op.k, op.b, op.tb ? op.k : op.n,
                  op.acc ? 1 : 0, op.c, op.n);
    };
    return {"sgemm", call};
  }

private:
  dnnl::primitive_attr attributes(const memory::desc& out) const {
    dnnl::post_ops after;
    if (op_.acc) after.append_sum(1);
    if (op_.activation != kQuernPeerNone) {
      Eltwise activation = eltwiseOf(op_.activation);
      after.append_eltwise(1, activation.algorithm, activation.alpha, 0);
    }
    if (op_.residual != nullptr) after.append_binary(dnnl::algorithm::binary_add, out);
    dnnl::primitive_attr attributes = ownScratchpad();
    attributes.set_post_ops(after);
    return attributes;
  }

  template <class PrimitiveDesc>
  Way bound(const char* name, const PrimitiveDesc& made, dnnl::primitive primitive, const memory::desc& weights, const memory::desc& bias,
            const memory::desc& out) const {
    memory own = place_.inLayout(place_.over(weights, op_.b), made.weights_desc());
    Arguments arguments = {
        {DNNL_ARG_SRC, place_.over(made.src_desc(), op_.a)}, {DNNL_ARG_WEIGHTS, own}, {DNNL_ARG_DST, place_.over(made.dst_desc(), op_.c)}};
    if (op_.bias != nullptr) arguments.insert({DNNL_ARG_BIAS, place_.over(bias, op_.bias)});
    if (op_.residual != nullptr) {
      int index = (op_.acc ? 1 : 0) + (op_.activation != kQuernPeerNone ? 1 : 0);
      arguments.insert({DNNL_ARG_ATTR_MULTIPLE_POST_OP(index) | DNNL_ARG_SRC_1, place_.over(out, op_.residual)});
    }
    return place_.bound(name, made, primitive, arguments);
  }

  QuernPeerMatmul op_;
  Place place_;
};

std::vector<BuildWay> waysOf(const QuernPeerMatmul& op) {
  Builder builder(op);
  std::vector<BuildWay> ways = {[=] { return builder.matmul(); }};
  if (op.batch == 1) ways.emplace_back([=] { return builder.innerProduct(); });
  if (op.batch == 1 && op.bias == nullptr && op.residual == nullptr && op.activation == kQuernPeerNone)
    ways.emplace_back([=] { return builder.sgemm(); });
  return ways;
}

void* prepare(const QuernPeerMatmul* op, char* text, size_t textBytes) {
  if (op->bytes != nullptr) return prepareBytes(op, text, textBytes);
  return quickestWay(op->threads, [&] { return waysOf(*op); }, text, textBytes);
}

void run(void* handle) { static_cast<Way*>(handle)->run(); }
void release(void* handle) { delete static_cast<Way*>(handle); }

constexpr QuernPeer kPeer = {kQuernPeerVersion, "onednn", 1,      "ONEDNN_MAX_CPU_ISA", libraryVersion, path, level, valueFor, prepare,
                             prepareVector,     run,      release};

}  // namespace

void* quern::peer::quickestWay(int threads, const std::function<std::vector<BuildWay>()>& list, char* text, size_t textBytes) {
  std::string reason = "no implementation";
  std::unique_ptr<Way> best;
  double bestSeconds = 0;
  try {
    omp_set_num_threads(threads);
    std::vector<BuildWay> builds = list();
    for (const BuildWay& build : builds) {
      try {
        Way way = build();
        double seconds = builds.size() == 1 ? 0 : quickest(way.run);
        if (best != nullptr && seconds >= bestSeconds) continue;
        best = std::make_unique<Way>(std::move(way));
        bestSeconds = seconds;
      } catch (const dnnl::error& error) {
        reason = error.what();  // this way does not exist for the op
      }
    }
  } catch (const std::exception& error) {
    best.reset();
    reason = error.what();
  }
  say(text, textBytes, best != nullptr ? best->name : reason);
  return best.release();
}

extern "C" __attribute__((visibility("default"))) const QuernPeer* quernPeer() { return &kPeer; }
