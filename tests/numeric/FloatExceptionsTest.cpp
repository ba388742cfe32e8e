// tests/numeric/FloatExceptionsTest.cpp — a kernel leaves the floating-point flags as it found them, and a caller who has traps unmasked is
// not stopped: not by masked lanes, not by infinities met on the way, not by conversions, not by rounding.
#include "tests/numeric/KernelRuns.h"

#include <cfenv>
#include <csignal>
#include <cmath>
#include <iostream>
#include <immintrin.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace quern;

namespace {

constexpr uint64_t kSeed = 31;

const char* const kOps[] = {
    "softmax x=*x*",
    "softmax x=*x* causal=1",
    "softmax x=*x* causal=topleft scale=3",
    "softmax x=*x* axis=0",
    "softmax x=9x37",
    "softmax x=3x700 scale=0.1",
    "softmax x=1x70001",
    "reduce x=*x* axis=1 f=sum",
    "reduce x=*x* axis=1 f=mean",
    "reduce x=*x* axis=1 f=max",
    "reduce x=*x* axis=0 f=min",
    "reduce x=*x* axis=0 f=sum",
    "reduce x=*x* axis=0 f=mean",
    "reduce x=9x64 axis=1 f=sum",
    "reduce x=3x5000 axis=1 f=sum",
    "reduce x=700x5 axis=0 f=sum",
    "reduce x=*x*x5 axis=0,2 f=sum",
    "reduce x=*x*x4x50 axis=0,2 f=mean",
    "reduce x=*x* axis=1 f=prod",
    "reduce x=*x*x70 axis=0,2 f=prod",
    "layernorm x=*x70 bias=0",
    "layernorm x=*x70",
    "layernorm x=*x768",
    "layernorm x=*x3000",
    "rmsnorm x=*x70",
    "rmsnorm x=*x3000",
    "attention heads=2 kv_heads=1 head_dim=20 q=* kv=* batch=2 softcap=2 mask=*x*",
    "attention heads=2 kv_heads=1 head_dim=20 q=* kv=* causal=topleft window=2 sinks=1",
    "rope x=*x3x22 pairs=half turned=12",
    "embedding t=* v=9 d=21",
    "embedding t=5x2 v=9 d=21 bag=1",
    "transpose x=3x4x5 perm=2,0,1",
    "cast x=3x70 to=f16",
    "cast x=3x70 from=f16",
    "cast x=3x70 to=i32",
    "cast x=3x70 from=f64 to=i64",
    "cast x=3x70 from=f64 to=bf16",
    "map expr=\"exp(a)\" a=*x*",
    "map expr=\"tanh(a)\" a=*x*",
    "map expr=\"erf(a)\" a=*x*",
    "map expr=\"sigmoid(a)\" a=*x*",
    "map expr=\"silu(a)\" a=*x*",
    "map expr=\"gelu_erf(a)\" a=*x*",
    "map expr=\"gelu_tanh(a)\" a=*x*",
    "map expr=\"gelu_sigmoid(a)\" a=*x*",
    "map expr=\"relu(a)\" a=*x*",
    "map expr=\"sin(a) + cos(a)\" a=*x*",
    "map expr=\"pow(abs(a), b) + pow(a, 3)\" a=*x* b=*",
    "map expr=\"floor(a) + ceil(a) + round(a) + trunc(a) + sign(a)\" a=*x*",
    "map expr=\"where(less(a, b), a / b, clamp(a, b, 0.5)) + greater(a, 1)\" a=*x* b=*",
    "map expr=\"log(abs(a))\" a=*x*",
    "map expr=\"rsqrt(abs(a))\" a=*x*",
    "map expr=\"sqrt(abs(a))\" a=*x*",
    "map expr=\"max(a, b) + min(a, b) * 0.5\" a=*x* b=*x*",
    "map expr=\"a * b\" a=*x* b=*",
    "map expr=\"a / (abs(b) + 1)\" a=*x* b=*",
};
/// Their products overflow as their formula has it.
const char* const kProducts[] = {
    "rope x=*x3x22 pairs=half",
    "attention heads=4 kv_heads=2 head_dim=24 q=* kv=* causal=1",
    "attention heads=2 head_dim=64 q=* kv=*",
    "attention heads=4 kv_heads=2 head_dim=24 q=* kv=* causal=1 kv_type=f16",
    "attention heads=4 kv_heads=2 head_dim=24 q=* kv=* causal=1 kv_type=bf16 a=bf16 order=pairs",
    "attention heads=2 head_dim=64 q=* kv=* kv_type=bf16 a=bf16 order=tile32",
    "attention heads=4 kv_heads=2 head_dim=32 q=* kv=* causal=1 kv_type=q8_0",
    "rope x=*x3x32 pairs=half to=q8_0",
    "cast x=*x64 to=q8_0",
    "matmul m=* n=* k=*",
    "matmul m=* n=37 k=19 const=b ep=bias+gelu_tanh+residual",
    "matmul m=* n=* k=* tb=1 ep=bias+silu",
    "matmul m=1 n=50 k=64 const=b tb=1 w=q8_0",
    "matmul m=2 n=20 k=64 const=b tb=1 w=q4_0",
    "matmul m=1 n=20 k=256 const=b tb=1 w=q4_K",
    "matmul m=40 n=20 k=256 const=b tb=1 w=q6_K",
    "matmul m=40 n=20 k=64 const=b tb=1 w=q5_1",
    "matmul m=40 n=20 k=256 const=b tb=1 w=iq4_xs",
    "matmul m=* n=37 k=19 const=b w=f16",
    "matmul m=* n=37 k=19 const=b w=f16 a=bf16 order=pairs",
    "matmul m=* n=37 k=40 const=b w=f16 a=bf16 order=tile32",
    "matmul m=1 n=37 k=64 const=b tb=1 w=q8_0 a=bf16 order=pairs",
    "matmul m=40 n=37 k=256 const=b tb=1 w=q4_K a=bf16 order=tile32",
    "matmul m=* n=37 k=40 const=b a=f32x3",
    "matmul m=3 n=37 k=19 const=b w=i8 a=i8 ep=bias",
};

DimValues sizesOf(const OpDesc& desc, int which) {
  DimValues all = {{"d0", which == 0 ? 5 : 33}, {"d1", which == 0 ? 37 : 131}, {"m", 7}, {"n", 37}, {"k", 19},
                   {"q", which == 0 ? 1 : 9},   {"kv", which == 0 ? 3 : 200},  {"t", 5}};
  return openDims(desc, all);
}

/// Runs tasks here, `around` each.
TaskRunner watched(const std::function<void(const std::function<void()>&)>& around) {
  return [around](int64_t count, const std::function<void(int, int64_t, int64_t)>& task) { around([&] { task(0, 0, count); }); };
}

void eachRun(const std::function<void(const KernelSet&, const OpDesc&, const DimValues&, InputData, const std::string&)>& body) {
  for (const Target& level : runnableLevels()) {
    KernelLibrary library(level, {});
    for (bool products : {false, true})
      for (const char* text : products ? std::span<const char* const>(kProducts) : std::span<const char* const>(kOps)) {
        KernelSet kernel = kernelOf(library, op(text));
        for (InputData data : {InputData::ZeroMean, InputData::Offset, InputData::Same, InputData::Tiny, InputData::Huge})
          for (int which : {0, 1})
            body(kernel, op(text), sizesOf(op(text), which), data,
                 fmt::format("{} on {}, {}, sizes {}", text, level.level, quern::text(data), which));
      }
  }
}

}  // namespace

TEST_CASE("a kernel leaves the flags as they were") {
  int64_t runs = 0;
  eachRun([&](const KernelSet& kernel, const OpDesc& desc, const DimValues& dims, InputData data, const std::string& what) {
    CheckInputs inputs = makeInputs(fixed(desc, dims), data, kSeed);
    bool raised = false;
    TaskRunner runner = watched([&](const std::function<void()>& task) {
      const int before = ++runs % 2 == 0 ? 0 : FE_INEXACT | FE_OVERFLOW;
      std::feclearexcept(FE_ALL_EXCEPT);
      _mm_setcsr(_mm_getcsr() | static_cast<unsigned>(before));
      task();
      raised = raised || std::fetestexcept(FE_ALL_EXCEPT) != before;
    });
    REQUIRE(runKernel(kernel, inputs, dims, {}, &runner));
    INFO(what);
    CHECK_FALSE(raised);
  });
  std::cout << runs << " runs, seed " << kSeed << "\n";
  CHECK(runs > 300);
}

TEST_CASE("a caller with the trap unmasked is not stopped") {
  int64_t runs = 0;
  eachRun([&](const KernelSet& kernel, const OpDesc& desc, const DimValues& dims, InputData data, const std::string& what) {
    if (++runs % 7 != 0) return;
    pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      std::signal(SIGFPE, SIG_DFL);
      CheckInputs inputs = makeInputs(fixed(desc, dims), data, kSeed);
      TaskRunner runner = watched([](const std::function<void()>& task) {
        std::feclearexcept(FE_ALL_EXCEPT);
        ::feenableexcept(FE_ALL_EXCEPT);
        task();
        ::fedisableexcept(FE_ALL_EXCEPT);
      });
      bool good = static_cast<bool>(runKernel(kernel, inputs, dims, {}, &runner));
      ::_exit(good ? 0 : 1);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    INFO(what);
    CHECK(status == 0);
  });
}
