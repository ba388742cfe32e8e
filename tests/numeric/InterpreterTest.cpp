// tests/numeric/InterpreterTest.cpp — the interpreter and the native code agree bit for bit, on every ISA level the host
// has; the interpreter holds every access against its buffer; schedules of one order agree bit for bit.
#include "compiler/loops/ir/LoopInterpreter.h"
#include "compiler/loops/ir/LoopParser.h"
#include "compiler/loops/ir/LoopPrinter.h"
#include "compiler/loops/Lower.h"
#include "tests/Support.h"
#include "tests/numeric/Interpreted.h"
#include "tuner/check/KernelCheck.h"
#include "tuner/SearchSpace.h"

#include <cmath>
#include <cstring>
#include <random>

using namespace quern;

namespace {

const char* const kOps[] = {
    "matmul m=* n=* k=*",
    "matmul m=* n=37 k=19 const=b ep=bias+gelu_tanh+residual",
    "matmul m=9 n=20 k=33 tb=1 acc=1",
    "matmul m=7 n=50 k=5 ta=1 batch=2 ep=\"max(x, gate) + bias\" gate=1x50",
    "map expr=\"gelu_erf(a) * b + exp(c) - log(a * a)\" a=3x19 b=19 c=3x1",
    "map expr=\"tanh(a) + erf(b) / sigmoid(a) + rsqrt(abs(b)) + silu(a) + gelu_sigmoid(b)\" a=*x7 b=*x7",
    "map expr=\"pow(abs(a), b) + sin(a * 1000) * cos(b) - pow(b, 3)\" a=3x19 b=19",
    "map expr=\"where(less(a, b), floor(a), round(b)) + ceil(a) * trunc(b) - sign(a)\" a=*x7 b=*x7",
    "map expr=\"equal(a, b) + not_equal(a, 0) * 2 + less_equal(a, b) * 4 + greater(a, b) * 8 + greater_equal(a, b) * 16\" a=3x19 b=19",
    "clamp x=3x37 lo=scalar hi=37",
    "add a=2x1x5 b=3x1",
    "softmax x=3x37",
    "softmax x=*x* causal=1 scale=0.5",
    "softmax x=2x13x6 axis=1",
    "reduce x=5x70 axis=1 f=sum",
    "reduce x=4x21x3 axis=1 f=mean",
    "reduce x=3x33 axis=1 f=max",
    "reduce x=3x5x37 axis=0,2 f=sum",
    "reduce x=*x5x4x* axis=0,2 f=mean keepdims=1",
    "reduce x=4x3x2x19 axis=0,2 f=prod",
    "reduce x=4x3x70 axis=0,2 f=prod",
    "reduce x=3x33 axis=all f=prod",
    "reduce x=3x4x5x6x7 axis=0,2,4 f=min",
    "layernorm x=*x7x10 axis=1 bias=0",
    "rmsnorm x=3x4x9 axis=0",
    "layernorm x=*x70",
    "rmsnorm x=3x33",
    "embedding t=* v=9 d=21",
    "embedding t=2x*x3 v=9 d=21",
    "embedding t=*x4 v=9 d=21 bag=1",
    "transpose x=3x4x5 perm=2,0,1",
    "transpose x=4x6x5 perm=1,0,2",
    "attention heads=4 kv_heads=2 head_dim=24 q=* kv=* causal=1",
    "attention heads=4 kv_heads=2 head_dim=24 q=* kv=* causal=1 kv_type=f16",
    "matmul m=* n=37 k=19 const=b w=f16",
    "matmul m=1 n=50 k=64 const=b tb=1 w=q8_0",
    "matmul m=2 n=20 k=64 const=b tb=1 w=q4_0",
    "matmul m=1 n=20 k=256 const=b tb=1 w=q4_K",
    "matmul m=40 n=20 k=256 const=b tb=1 w=q6_K",
    "matmul m=5 n=20 k=64 const=b tb=1 w=q4_1",
    "matmul m=5 n=20 k=64 const=b tb=1 w=q5_0",
    "matmul m=5 n=20 k=64 const=b tb=1 w=q5_1",
    "matmul m=5 n=20 k=256 const=b tb=1 w=q2_K",
    "matmul m=5 n=20 k=256 const=b tb=1 w=q3_K",
    "matmul m=5 n=20 k=256 const=b tb=1 w=q5_K",
    "matmul m=5 n=20 k=64 const=b tb=1 w=iq4_nl",
    "matmul m=5 n=20 k=256 const=b tb=1 w=iq4_xs",
    "matmul m=5 n=20 k=64 const=b tb=1 w=mxfp4",
    "matmul m=3 n=20 k=64 const=b tb=1 w=q8_0 a=q8",
    "matmul m=3 n=64 k=64 const=b tb=1 w=q8_0 a=q8 in=q8 out=q8 ep=bias+gelu_tanh",
    "matmul m=3 n=20 k=70 const=b w=bf16 a=bf16 in=bf16 out=bf16",
    "rmsnorm x=3x64 out=q8",
    "layernorm x=3x33 residual=1 out=bf16",
    "matmul m=2 n=20 k=64 const=b tb=1 w=q4_0 a=q8 batch=2",
    "matmul m=* n=* k=* batch=2x3 batch_a=2x1 batch_b=3 ep=residual",
    "matmul m=* n=20 k=33 batch=* batch_b=scalar const=b ep=\"x * g\" g=1x20",
    "matmul m=3 n=20 k=37 batch=3x2 batch_a=2 const=b w=i8 a=i8",
    "matmul m=* k=9 vector=b batch=2 ep=bias",
    "matmul n=50 k=* vector=a acc=1 ep=\"x * g\" g=50",
    "matmul m=2 n=20 k=256 const=b tb=1 w=q4_K a=q8 acc=1",
    "matmul m=5 n=37 k=256 const=b tb=1 w=q6_K a=q8 ep=bias+relu",
    "matmul m=5 n=37 k=64 const=b tb=1 w=q4_1 a=q8",
    "matmul m=5 n=37 k=64 const=b tb=1 w=q5_0 a=q8 in=q8",
    "matmul m=5 n=37 k=64 const=b tb=1 w=q5_1 a=q8",
    "matmul m=5 n=37 k=256 const=b tb=1 w=q2_K a=q8",
    "matmul m=5 n=37 k=256 const=b tb=1 w=q3_K a=q8 in=q8",
    "matmul m=5 n=37 k=256 const=b tb=1 w=q5_K a=q8",
    "matmul m=5 n=37 k=64 const=b tb=1 w=iq4_nl a=q8",
    "matmul m=5 n=37 k=256 const=b tb=1 w=iq4_xs a=q8",
    "matmul m=5 n=37 k=64 const=b tb=1 w=mxfp4 a=q8 in=q8",
    "matmul m=5 n=37 k=70 const=b w=i8 a=i8 ep=bias+relu",
    "matmul m=3 n=20 k=16 const=b tb=1 w=i8 a=i8 batch=2 acc=1",
    "matmul m=3 n=20 k=37 const=b w=bf16 a=bf16 order=pairs batch=2",
    "matmul m=5 n=37 k=70 const=b tb=1 w=bf16 a=bf16 order=tile32 ep=bias+gelu_tanh",
    "matmul m=3 n=20 k=37 const=b w=f16 a=bf16 order=pairs",
    "matmul m=40 n=37 k=70 const=b tb=1 w=f16 a=bf16 order=pairs ep=bias",
    "matmul m=5 n=37 k=71 const=b tb=1 w=f16 a=bf16 order=tile32 batch=2",
    "matmul m=3 n=20 k=64 const=b tb=1 w=q8_0 a=bf16 order=pairs batch=2",
    "matmul m=40 n=37 k=96 const=b tb=1 w=q4_0 a=bf16 order=tile32 ep=bias",
    "matmul m=2 n=20 k=256 const=b tb=1 w=q4_K a=bf16 order=tile32 acc=1",
    "matmul m=5 n=37 k=256 const=b tb=1 w=q6_K a=bf16 order=tile32",
    "matmul m=5 n=37 k=64 const=b tb=1 w=q5_1 a=bf16 order=tile32",
    "matmul m=5 n=37 k=256 const=b tb=1 w=q2_K a=bf16 order=pairs",
    "matmul m=5 n=37 k=256 const=b tb=1 w=q3_K a=bf16 order=tile32",
    "matmul m=5 n=37 k=256 const=b tb=1 w=iq4_xs a=bf16 order=pairs",
    "matmul m=5 n=37 k=64 const=b tb=1 w=mxfp4 a=bf16 order=tile32",
    "matmul m=40 n=37 k=256 const=b tb=1 w=q6_K a=bf16 order=pairs ep=bias+relu",
    "matmul m=3 n=20 k=37 const=b a=f32x3 order=pairs batch=2",
    "matmul m=5 n=37 k=71 const=b tb=1 a=f32x3 order=tile32 acc=1",
    "attention heads=4 kv_heads=2 head_dim=24 q=* kv=* causal=1 batch=* v_dim=9 softcap=2 mask=4x*x* lens=1",
    "attention heads=4 kv_heads=2 head_dim=24 q=* kv=* causal=1 window=3 sinks=1",
    "rope x=*x3x22 pairs=adjacent turned=6",
    "rope x=*x2x40 pairs=half turned=10 to=f16",
    "rmsnorm x=*x3x20",
    "attention heads=2 kv_heads=2 head_dim=20 q=* kv=* kv_type=f16 batch=2 mask=2x1x1x*",
    "rope x=*x3x22 pairs=adjacent",
    "rope x=*x2x10 pairs=half",
    "cast x=3x*x7 from=f16",
    "cast x=3x*x7 to=bf16",
    "attention heads=4 kv_heads=2 head_dim=24 q=* kv=* causal=1 kv_type=bf16",
    "attention heads=4 kv_heads=2 head_dim=24 q=* kv=* causal=1 kv_type=bf16 a=bf16 order=pairs",
    "attention heads=2 head_dim=37 q=* kv=* causal=1 kv_type=bf16 a=bf16 order=tile32",
    "attention heads=4 kv_heads=2 head_dim=32 q=* kv=* causal=1 kv_type=q8_0",
    "rope x=*x2x96 pairs=half to=q8_0",
    "cast x=3x*x64 to=q8_0",
    "cast x=3x*x7 to=i32",
    "cast x=*x37 from=f64 to=f16",
    "cast x=*x37 from=i64 to=u8",
    "cast x=scalar from=u32 to=f64",
};

/// NaNs are equal to each other; everything else bit by bit.
int64_t differingBits(const std::vector<float>& a, const std::vector<float>& b) {
  REQUIRE(a.size() == b.size());
  int64_t count = 0;
  for (size_t i = 0; i < a.size(); ++i)
    if (std::memcmp(&a[i], &b[i], 4) != 0 && !(std::isnan(a[i]) && std::isnan(b[i]))) ++count;
  return count;
}

DimValues someSizes(const OpDesc& desc, uint64_t seed) {
  std::mt19937_64 random(seed);
  DimValues values;
  for (const std::string& name : runtimeDims(desc)) values[name] = 1 + static_cast<int64_t>(random() % 40);
  return values;
}

}  // namespace

TEST_CASE("interpreter equals native code bit for bit on every level") {
  int compared = 0;
  for (const Target& target : runnableLevels()) {
    KernelLibrary library(target, {});
    for (const char* given : kOps) {
      OpDesc desc = op(given);
      Schedule chosen = defaultSchedule(desc, target);
      auto program = lower(desc, chosen, target);
      REQUIRE(program);
      auto kernel = library.get(desc, chosen);
      INFO(given << " on " << target.name << (kernel ? "" : ": " + kernel.error().message));
      REQUIRE(kernel);
      for (InputData data : {InputData::ZeroMean, InputData::Specials}) {
        CheckRun run{data, 42, Flush::End, 0};
        DimValues dims = someSizes(desc, 7);
        auto native = runOnce(*kernel, desc, dims, run);
        REQUIRE(native);
        std::vector<float> slow = interpreted(*program, (*kernel)->info, fixed(desc, dims), dims, run);
        CHECK(differingBits(native->output, slow) == 0);
        ++compared;
      }
    }
  }
  REQUIRE(compared > 0);
}

TEST_CASE("attention's schedules mean the same in the interpreter") {
  int64_t compared = 0;
  for (const Target& target : runnableLevels()) {
    KernelLibrary library(target, {});
    OpDesc desc = op("attention heads=3 kv_heads=1 head_dim=21 q=* kv=* causal=1");
    std::vector<float> first;
    for (const char* keys : {"pack=kv split=0 mr=4 rows=8", "pack=kv split=1 mr=2 rows=3", "pack=none split=1 tiles=4 mr=1 rows=9",
                             "pack=none split=0 tiles=3 mr=2 kr=2 rows=5"}) {
      Schedule chosen = schedule(keys, desc, target);
      auto program = lower(desc, chosen, target);
      REQUIRE(program);
      auto kernel = library.get(desc, chosen);
      REQUIRE(kernel);
      CheckRun run{InputData::ZeroMean, 43, Flush::End, 0};
      DimValues dims = {{"q", 3}, {"kv", 2050}};  // rows that see one segment, and two
      auto native = runKernel(*kernel, makeInputs(fixed(desc, dims), run.data, run.seed), dims, run);
      REQUIRE(native);
      INFO(keys << " on " << target.name);
      CHECK(differingBits(*native, interpreted(*program, (*kernel)->info, fixed(desc, dims), dims, run)) == 0);
      if (first.empty()) first = *native;
      CHECK(differingBits(first, *native) == 0);
      ++compared;
    }
  }
  CHECK(compared >= 4);
}

/// Products of bf16 are for CPUs that can take small numbers for 0 as its orders say: after rounding.
static bool isFor(const OpDesc& desc, const Target& target) {
  const auto* matmul = std::get_if<MatmulOp>(&desc);
  const auto* attention = std::get_if<AttentionOp>(&desc);
  bool pairs = (matmul != nullptr && matmul->inPairs()) || (attention != nullptr && attention->a == RoundedTo::BF16);
  return !pairs || target.isa().arch == "x86_64";
}

TEST_CASE("programs print, parse and print the same, and mean the same") {
  for (const char* name : {"x86-64", "x86-64-v3", "x86-64-v4", "neoverse-v1"})
    for (const char* given : kOps) {
      Target target = cpu(name);
      OpDesc desc = op(given);
      auto program = lower(desc, defaultSchedule(desc, target), target);
      INFO(given << " on " << name << (program ? "" : ": " + program.error().message));
      REQUIRE(static_cast<bool>(program) == isFor(desc, target));
      if (!program) continue;
      auto again = parseLoops(text(*program), "printed");
      INFO((again ? "" : again.error().message));
      REQUIRE(again);
      CHECK(text(*again) == text(*program));
    }
}

TEST_CASE("every op compiles for every CPU in configs to an object of the artifact form") {
  for (const char* name : {"x86-64", "haswell", "skylake-avx512", "neoverse-v1"})
    for (const char* given : kOps) {
      KernelLibrary library(cpu(name), {});
      OpDesc desc = op(given);
      auto artifact = library.compile(desc, defaultSchedule(desc, library.target()));
      INFO(given << " on " << name << (artifact ? "" : ": " + artifact.error().message));
      CHECK(static_cast<bool>(artifact) == isFor(desc, library.target()));
    }
}

TEST_CASE("schedules of one order give the same bits") {
  auto space = readSearchSpace("default");
  REQUIRE(space);
  int compared = 0;
  for (const Target& target : runnableLevels()) {
    KernelLibrary library(target, {});
    for (const char* given :
         {"matmul m=* n=45 k=70 const=b ep=bias+relu", "matmul m=* n=* k=*", "matmul m=* n=45 k=70 const=b w=i8 a=i8 ep=bias",
          "softmax x=*x*", "layernorm x=*x70", "reduce x=*x* axis=1 f=sum", "attention heads=2 kv_heads=1 head_dim=20 q=* kv=* causal=1",
          "attention heads=2 kv_heads=1 head_dim=20 q=* kv=* causal=1 kv_type=bf16 a=bf16", "map expr=\"gelu_tanh(a) * b\" a=*x* b=*"}) {
      OpDesc desc = op(given);
      DimValues dims = someSizes(desc, 3);
      CheckRun run{InputData::ZeroMean, 5, Flush::End, 0};
      std::vector<float> first;
      std::vector<Candidate> candidates = candidatesOf(*space, desc, dims, target);
      size_t step = std::max<size_t>(1, candidates.size() / 6);
      for (size_t i = 0; i < candidates.size(); i += step) {
        auto kernel = library.get(desc, candidates[i].schedule);
        REQUIRE(kernel);
        auto result = runOnce(*kernel, desc, dims, run);
        REQUIRE(result);
        if (first.empty()) first = result->output;
        INFO(given << " | " << text(candidates[i].schedule));
        CHECK(differingBits(first, result->output) == 0);
        ++compared;
      }
    }
  }
  REQUIRE(compared > 20);
}

TEST_CASE("the interpreter refuses an access outside its buffer") {
  const char* source =
      "loops \"bad\"\nisa x86-64\nbuffer A : f32 in [4] strides [1]\nbuffer C : f32 out [4] strides [1]\n"
      "phase task tasks 1 {\n  store C[0] = A[1]:4\n}\n";
  auto program = parseLoops(source, "bad.loops");
  REQUIRE(program);
  std::vector<float> a(4), c(4);
  auto result = interpret(*program, {{a.data(), c.data()}, {}, {}});
  REQUIRE_FALSE(result);
  CHECK(result.error().message == "loop program 'bad': 4 lanes at [1] are outside A[4]");
}
