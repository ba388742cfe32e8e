// tests/numeric/EdgeSizesTest.cpp — every op x edge sizes x sampled schedules x every ISA level of the host, against the
// reference: guard pages on both sides, padded rows, whole-number data exact, special values.
#include "tests/Support.h"
#include "tuner/check/KernelCheck.h"
#include "tuner/SearchSpace.h"

#include <iostream>
#include <random>

using namespace quern;

static const char* const kOps[] = {
    "matmul m=* n=* k=*",
    "matmul m=* n=* k=* ta=1",
    "matmul m=* n=* k=* tb=1 acc=1",
    "matmul m=* n=* k=* batch=2 ep=bias+residual",
    "matmul m=* n=* k=* batch=2x3 batch_a=2x1 batch_b=3 ep=\"x * g + residual\" g=3x1x*",
    "matmul m=* n=* k=* batch=* batch_a=scalar tb=1 acc=1",
    "matmul m=* n=35 k=40 batch=* batch_b=scalar const=b ep=bias+relu+residual",
    "matmul m=* n=* k=* batch=2x*x2 batch_b=1x1x1 ta=1",
    "matmul n=* k=* vector=a batch=*x2 ep=\"x * g\" g=2x1",
    "matmul m=* k=* vector=b batch=2 ep=\"x * g + residual\" g=*",
    "matmul m=* k=* vector=b acc=1 ep=bias",
    "matmul k=* vector=ab acc=1 ep=residual",
    "matmul m=* n=37 k=65 batch=2x2 batch_a=2x1 const=b w=i8 a=i8 ep=bias",
    "matmul m=* n=33 k=96 batch=*x3 batch_b=1x1 tb=1 const=b w=q4_0",
    "matmul m=* n=32 k=64 batch=2x3 batch_a=3 batch_b=2x1 tb=1 const=b w=q8_0 a=q8 in=q8 out=bf16",
    "matmul n=40 k=256 vector=a tb=1 const=b w=q6_K",
    "matmul m=* n=100 k=40 const=b ep=bias+gelu_erf",
    "matmul m=* n=16 k=300 const=b tb=1",
    "matmul m=5 n=33 k=0 ep=bias",
    "matmul m=* n=70 k=50 const=b w=f16",
    "matmul m=* n=33 k=96 const=b tb=1 w=bf16 ep=residual",
    "matmul m=* n=97 k=96 const=b tb=1 w=q8_0 ep=bias",
    "matmul m=* n=50 k=64 const=b tb=1 w=q4_0",
    "matmul m=* n=17 k=512 const=b tb=1 w=q4_K",
    "matmul m=* n=35 k=64 const=b tb=1 w=q4_1",
    "matmul m=* n=33 k=96 const=b tb=1 w=q5_0 ep=bias",
    "matmul m=* n=17 k=64 const=b tb=1 w=q5_1",
    "matmul m=* n=31 k=256 const=b tb=1 w=q2_K",
    "matmul m=* n=35 k=256 const=b tb=1 w=q3_K",
    "matmul m=* n=33 k=256 const=b tb=1 w=q5_K",
    "matmul m=* n=47 k=32 const=b tb=1 w=iq4_nl",
    "matmul m=* n=35 k=256 const=b tb=1 w=iq4_xs",
    "matmul m=* n=33 k=64 const=b tb=1 w=mxfp4",
    "matmul m=* n=35 k=256 const=b tb=1 w=q6_K ep=\"silu(g) * x\" g=*x35",
    "map expr=\"a * b + c\" a=*x* b=* c=*x1",
    "map expr=\"silu(a) * b\" a=*x* b=*x*",
    "map expr=\"gelu_tanh(x + bias) * x\" x=*x* bias=* inplace=x",
    "map expr=\"where(less(a, b), pow(abs(a), b), clamp(a, b, 0.5))\" a=*x* b=*",
    "map expr=\"sin(a) * cos(b) + floor(a * 3) - round(b * 5)\" a=*x* b=*x1",
    "where c=*x* a=* b=*x1",
    "clamp x=*x* lo=scalar hi=*",
    "greater_equal a=* b=*",
    "add a=*x1x* b=*x1",
    "div a=* b=*",
    "max a=*x* b=*",
    "softmax x=*x*",
    "softmax x=*x* causal=1",
    "softmax x=2x*x* causal=topleft scale=0.3",
    "softmax x=*x*x* axis=1",
    "softmax x=*x* axis=0",
    "reduce x=*x* axis=1 f=sum",
    "reduce x=*x*x* axis=1 f=mean",
    "reduce x=*x* axis=1 f=max",
    "reduce x=*x* axis=0 f=min",
    "reduce x=*x*x* axis=0,2 f=sum",
    "reduce x=*x*x* axis=0,2 f=mean keepdims=1",
    "reduce x=*x*x*x* axis=0,2 f=sum",
    "reduce x=*x*x*x* axis=0,2 f=max",
    "reduce x=*x* axis=all f=sum",
    "reduce x=*x* axis=1 f=prod",
    "reduce x=*x*x* axis=1 f=prod",
    "reduce x=*x*x* axis=0,2 f=prod",
    "layernorm x=*x7x10 axis=1",
    "layernorm x=*x97 bias=0",
    "layernorm x=*x3x32 axis=-2 bias=0 residual=1 out=q8",
    "rmsnorm x=*x*x5x13 axis=2",
    "layernorm x=*x1",
    "layernorm x=*x97",
    "layernorm x=*x*x768",
    "layernorm x=*x70 residual=1",
    "rmsnorm x=*x64",
    "rmsnorm x=*x33 residual=1",
    "rmsnorm x=*x96 out=q8",
    "rmsnorm x=*x70 residual=1 out=bf16",
    "layernorm x=*x64 residual=1 out=q8",
    "embedding t=* v=* d=*",
    "embedding t=*x* v=* d=*",
    "embedding t=scalar v=* d=*",
    "embedding t=*x3 v=* d=* bag=1",
    "transpose x=*x*",
    "transpose x=*x*x* perm=0,2,1",
    "transpose x=*x*x* perm=1,0,2",
    "attention heads=2 kv_heads=1 head_dim=32 q=* kv=* causal=1",
    "attention heads=3 kv_heads=3 head_dim=5 q=* kv=*",
    "attention heads=1 kv_heads=1 head_dim=200 q=* kv=* causal=topleft",
    "attention heads=4 kv_heads=2 head_dim=40 q=* kv=* causal=1 kv_type=f16",
    "attention heads=4 kv_heads=2 head_dim=24 q=* kv=* batch=* causal=1",
    "attention heads=2 kv_heads=1 head_dim=32 q=* kv=* batch=2 mask=*x* causal=1",
    "attention heads=2 kv_heads=2 head_dim=20 q=* kv=* batch=2 mask=2x1x1x* kv_type=f16",
    "attention heads=3 kv_heads=1 head_dim=16 q=* kv=* mask=3x*x1 softcap=2",
    "attention heads=3 kv_heads=1 head_dim=16 q=* kv=* causal=1 window=7",
    "attention heads=4 kv_heads=2 head_dim=16 q=* kv=* causal=1 window=5 sinks=1",
    "attention heads=2 kv_heads=1 head_dim=8 q=* kv=* mask=*x* sinks=1",
    "rope x=*x3x34 pairs=adjacent turned=10",
    "rope x=*x2x80 pairs=half turned=20 to=bf16",
    "rope x=*x2x64 pairs=half turned=16 to=q8_0",
    "rmsnorm x=*x3x24",
    "layernorm x=*x2x17 bias=0",
    "attention heads=2 kv_heads=2 head_dim=33 q=* kv=* softcap=0.5 kv_type=bf16",
    "attention heads=4 kv_heads=2 head_dim=24 q=* kv=* causal=topleft v_dim=40",
    "attention heads=2 kv_heads=2 head_dim=40 q=* kv=* v_dim=7",
    "attention heads=2 kv_heads=1 head_dim=32 q=* kv=* causal=1 kv_type=q8_0 batch=2 v_dim=64 lens=1",
    "attention heads=2 kv_heads=1 head_dim=16 q=* kv=* causal=1 batch=3 softcap=30 mask=3x1x1x* lens=1",
    "rope x=*x3x34 pairs=adjacent",
    "rope x=*x2x64 pairs=half to=f16",
    "cast x=*x*x* to=f16",
    "cast x=*x* from=f16",
    "attention heads=2 kv_heads=1 head_dim=32 q=* kv=* causal=1 kv_type=bf16",
    "matmul m=* n=37 k=64 tb=1 const=b w=q8_0 a=q8 ep=bias+relu",
    "matmul m=* n=64 k=96 tb=1 const=b w=q8_0 a=q8 in=q8 out=q8 ep=bias+gelu_tanh",
    "matmul m=* n=32 k=256 tb=1 const=b w=q4_K a=q8 in=q8 out=bf16",
    "matmul m=* n=96 k=256 batch=2 tb=1 const=b w=q6_K a=q8 in=q8",
    "matmul m=* n=37 k=70 const=b w=bf16 a=bf16 order=pairs in=bf16 out=bf16 ep=residual",
    "matmul m=* n=64 k=70 const=b w=bf16 a=bf16 order=tile32 in=bf16 out=q8",
    "matmul m=* n=64 k=* out=q8",
    "matmul m=* n=20 k=96 tb=1 const=b w=q4_0 a=q8 acc=1",
    "matmul m=* n=33 k=256 tb=1 const=b w=q4_K a=q8",
    "matmul m=* n=33 k=512 tb=1 const=b w=q6_K a=q8 ep=residual",
    "matmul m=* n=33 k=64 tb=1 const=b w=q4_1 a=q8",
    "matmul m=* n=64 k=64 tb=1 const=b w=q5_0 a=q8 in=q8 out=q8",
    "matmul m=* n=35 k=32 tb=1 const=b w=q5_1 a=q8",
    "matmul m=* n=33 k=512 tb=1 const=b w=q2_K a=q8",
    "matmul m=* n=31 k=256 tb=1 const=b w=q3_K a=q8 in=q8",
    "matmul m=* n=33 k=256 tb=1 const=b w=q5_K a=q8 ep=residual",
    "matmul m=* n=33 k=64 tb=1 const=b w=iq4_nl a=q8",
    "matmul m=* n=17 k=256 tb=1 const=b w=iq4_xs a=q8",
    "matmul m=* n=33 k=64 tb=1 const=b w=mxfp4 a=q8 in=q8",
    "matmul m=* n=37 k=65 const=b w=i8 a=i8 ep=bias",
    "matmul m=* n=70 k=96 const=b tb=1 w=i8 a=i8 acc=1",
    "matmul m=5 n=20 k=0 const=b w=i8 a=i8 batch=2",
    "matmul m=* n=37 k=65 const=b w=bf16 a=bf16 order=pairs ep=bias",
    "matmul m=* n=20 k=97 const=b w=bf16 a=bf16 order=tile32 acc=1",
    "matmul m=* n=37 k=65 const=b w=f16 a=bf16 order=pairs acc=1",
    "matmul m=* n=20 k=97 const=b tb=1 w=f16 a=bf16 order=tile32 ep=bias",
    "matmul m=* n=37 k=64 tb=1 const=b w=q8_0 a=bf16 order=pairs ep=bias+relu",
    "matmul m=* n=20 k=96 tb=1 const=b w=q4_0 a=bf16 order=tile32 acc=1",
    "matmul m=* n=33 k=512 tb=1 const=b w=q4_K a=bf16 order=tile32",
    "matmul m=* n=70 k=256 tb=1 const=b w=q6_K a=bf16 order=pairs ep=residual",
    "matmul m=5 n=20 k=0 tb=1 const=b w=q8_0 a=bf16 order=tile32 batch=2",
    "matmul m=* n=37 k=65 const=b tb=1 a=f32x3 order=pairs ep=bias",
    "matmul m=* n=20 k=97 const=b a=f32x3 order=tile32 acc=1",
    "attention heads=2 kv_heads=1 head_dim=32 q=* kv=* causal=1 kv_type=bf16 a=bf16 order=pairs",
    "attention heads=3 kv_heads=3 head_dim=5 q=* kv=* kv_type=bf16 a=bf16 order=tile32",
    "attention heads=2 kv_heads=1 head_dim=74 q=* kv=* causal=topleft kv_type=bf16 a=bf16 order=tile32",
    "rope x=*x2x64 pairs=half to=bf16",
    "cast x=*x*x* to=bf16",
    "cast x=*x* from=bf16",
    "attention heads=2 kv_heads=1 head_dim=32 q=* kv=* causal=1 kv_type=q8_0",
    "attention heads=3 kv_heads=3 head_dim=96 q=* kv=* kv_type=q8_0",
    "rope x=*x2x64 pairs=half to=q8_0",
    "rope x=*x3x96 pairs=adjacent to=q8_0",
    "cast x=*x*x32 to=q8_0",
    "cast x=*x160 from=f16 to=q8_0",
    "cast x=*x* to=i32",
    "cast x=*x*x* from=i64",
    "cast x=*x* from=f64 to=bf16",
    "cast x=*x* to=f64",
    "cast x=*x* from=bool to=i8",
    "cast x=*x* from=u16 to=bool",
    "cast x=*x* from=u64 to=f16",
    "cast x=*x* from=f16 to=u64",
    "cast x=*x* from=u8 to=u32",
    "cast x=*x96 from=i64 to=q8_0",
    "transpose x=scalar",
    "cast x=scalar from=i32",
};

TEST_CASE("every op at edge sizes, on every level, with sampled schedules") {
  constexpr uint64_t kSeed = 1;
  auto space = readSearchSpace("default");
  REQUIRE(space);
  CheckReport all;
  std::vector<Target> targets = runnableLevels();
  targets.push_back(hostTarget());  // for what has instructions beyond a level: bytes, bf16, matrix units
  for (const Target& target : targets) {
    KernelLibrary library(target, {});
    for (const char* given : kOps) {
      OpDesc desc = op(given);
      if (!target.features.empty() && contractOf(defaultSchedule(desc, target), desc, target).features.empty()) continue;
      DimValues sample;
      for (const std::string& name : runtimeDims(desc)) sample[name] = 64;
      std::vector<Candidate> candidates = candidatesOf(*space, desc, sample, target);
      std::mt19937_64 random(kSeed);
      for (int i = 0; i < 3; ++i) {  // the default, then two drawn ones
        const Schedule& chosen = candidates[i == 0 ? 0 : random() % candidates.size()].schedule;
        auto kernel = library.get(desc, chosen);
        INFO(given << " | " << text(chosen) << " on " << target.level << (kernel ? "" : ": " + kernel.error().message));
        REQUIRE(kernel);
        std::vector<DimValues> sizes = edgeSizes(desc, chosen, runtimeDims(desc).empty() ? 1 : 10, kSeed + static_cast<uint64_t>(i));
        REQUIRE_FALSE(sizes.empty());
        for (const DimValues& dims : sizes) {
          auto report = checkKernel(*kernel, desc, dims, kSeed);
          REQUIRE(report);
          INFO(report->failure);
          CHECK(report->passed);
          all.add(*report);
        }
      }
    }
  }
  std::cout << all.cases << " cases, worst error/limit " << all.worst << ", seed " << kSeed << "\n";
  CHECK(all.cases > 2000);
}

TEST_CASE("the check notices a wrong kernel") {
  // A kernel of another op in its place: if this passes, nothing above tested anything.
  KernelLibrary library(hostTarget(), {});
  OpDesc right = op("add a=* b=*"), wrong = op("mul a=* b=*");
  auto kernel = library.kernels(wrong);
  REQUIRE(kernel);
  auto report = checkKernel(*kernel, right, {{"d0", 33}}, 1);
  REQUIRE(report);
  CHECK_FALSE(report->passed);
}

TEST_CASE("where Inf is right nothing else is") {
  constexpr double kInf = std::numeric_limits<double>::infinity(), kNan = std::numeric_limits<double>::quiet_NaN();
  constexpr float kTop = std::numeric_limits<float>::max(), kInfF = std::numeric_limits<float>::infinity();
  auto worst = [](double right, double limit, float got) { return compare({{right}, {limit}}, std::vector<float>{got}).worst; };
  for (double limit : {0.0, 1.0, 1e300}) {
    CHECK(worst(kInf, limit, kInfF) == 0);
    CHECK(worst(-kInf, limit, -kInfF) == 0);
    for (float wrong : {0.0f, 5.0f, kTop, -kInfF}) CHECK(worst(kInf, limit, wrong) == kInf);
    for (float wrong : {-0.0f, -1.0f, -kTop, kInfF}) CHECK(worst(-kInf, limit, wrong) == kInf);
    CHECK(worst(kNan, limit, kInfF) == kInf);
    CHECK(worst(1.0, limit, std::numeric_limits<float>::quiet_NaN()) == kInf);
  }
  // A finite value may be too large for f32, by itself or within its limit.
  CHECK(worst(1e39, 0, kInfF) == 0);
  CHECK(worst(1e39, 0, -kInfF) == kInf);
  CHECK(worst(3e38, 0.5e38, kInfF) == 0);
  CHECK(worst(3e38, 0, kInfF) == kInf);
}
