// tests/numeric/MxcsrTest.cpp — kernels leave the control bits of MXCSR and x87 as found, whatever the caller set, and compute in
// the caller's mode: on its own thread and on a pool's.
#include "tests/numeric/KernelRuns.h"

#include <array>
#include <atomic>
#include <iostream>
#include <limits>
#include <thread>

#if defined(__x86_64__)
#include <immintrin.h>

using namespace quern;

namespace {

constexpr uint64_t kSeed = 31;
constexpr unsigned kStatusBits = 0x3f, kDefault = 0x1f80;
constexpr uint16_t kDefaultX87 = 0x37f;

/// How a caller may have set the processor. All exceptions are masked.
struct Mode {
  const char* name;
  unsigned mxcsr;
  uint16_t x87;
};
const Mode kModes[] = {
    {"default", kDefault, kDefaultX87},
    {"denormals flushed", kDefault | 0x8040, 0x37f},
    {"towards zero", kDefault | 0x6000, 0xf7f},
    {"upwards", kDefault | 0x4000, 0xb7f},
    {"downwards, x87 in single", kDefault | 0x2000, 0x47f & ~0x300},
};

uint16_t readX87() {
  uint16_t word = 0;
  asm volatile("fnstcw %0" : "=m"(word));
  return word;
}
void writeX87(uint16_t word) { asm volatile("fldcw %0" : : "m"(word)); }

/// A mode for as long as this lives; what was set before comes back.
class InMode {
public:
  explicit InMode(const Mode& mode) : mxcsr_(_mm_getcsr()), x87_(readX87()) {
    _mm_setcsr(mode.mxcsr);
    writeX87(mode.x87);
  }
  ~InMode() {
    _mm_setcsr(mxcsr_);
    writeX87(x87_);
  }
  InMode(const InMode&) = delete;
  InMode& operator=(const InMode&) = delete;

private:
  unsigned mxcsr_;
  uint16_t x87_;
};

/// What one run in a mode gave: the output, and the control words that were found after it.
struct ModeRun {
  std::vector<float> output;
  unsigned mxcsr = 0;
  uint16_t x87 = 0;
  bool kept(const Mode& mode) const { return (mxcsr & ~kStatusBits) == mode.mxcsr && x87 == mode.x87; }
};

ModeRun runIn(const Mode& mode, const KernelSet& kernel, const CheckInputs& inputs, const DimValues& dims,
              const TaskRunner* runner = nullptr) {
  ModeRun run;
  Result<std::vector<float>> output = std::vector<float>();
  {
    InMode set(mode);
    output = runKernel(kernel, inputs, dims, {}, runner);
    run.mxcsr = _mm_getcsr();
    run.x87 = readX87();
  }
  REQUIRE(output);
  run.output = *output;
  return run;
}

/// Every family of ops, its run-time dimensions, and whether rounding changes its result.
struct Family {
  const char* op;
  DimValues dims;
  bool rounds;
};
const std::vector<Family>& families() {
  static const std::vector<Family> all = {
      {"matmul m=* n=* k=*", {{"m", 13}, {"n", 37}, {"k", 65}}, true},
      {"matmul m=* n=70 k=40 const=b ep=bias+gelu_tanh", {{"m", 9}}, true},
      {"matmul m=* n=37 k=256 tb=1 const=b w=q4_K a=bf16 order=tile32", {{"m", 9}}, false},
      {"matmul m=* n=* k=* ta=1 tb=1 acc=1", {{"m", 13}, {"n", 37}, {"k", 65}}, true},
      {"map expr=\"gelu_erf(a) * b + exp(c)\" a=*x* b=* c=*x1", {{"d0", 7}, {"d1", 65}}, true},
      {"map expr=\"tanh(a) + sigmoid(b) / sqrt(abs(a))\" a=* b=*", {{"d0", 131}}, true},
      {"map expr=\"erf(a) - log(abs(b)) * rsqrt(abs(a))\" a=* b=*", {{"d0", 131}}, true},
      {"map expr=\"silu(a) + gelu_tanh(b) + gelu_sigmoid(a)\" a=* b=*", {{"d0", 131}}, true},
      {"max a=* b=*", {{"d0", 131}}, false},
      {"softmax x=*x*", {{"d0", 5}, {"d1", 67}}, true},
      {"softmax x=*x* causal=1 scale=0.3", {{"d0", 7}, {"d1", 67}}, true},
      {"softmax x=*x* axis=0", {{"d0", 5}, {"d1", 67}}, true},
      {"reduce x=*x* axis=1 f=sum", {{"d0", 9}, {"d1", 131}}, true},
      {"reduce x=*x* axis=0 f=mean", {{"d0", 131}, {"d1", 19}}, true},
      {"reduce x=*x* axis=1 f=max", {{"d0", 9}, {"d1", 131}}, false},
      {"layernorm x=*x97", {{"d0", 7}}, true},
      {"rmsnorm x=*x64", {{"d0", 7}}, true},
      {"embedding t=* v=* d=*", {{"t", 9}, {"v", 11}, {"d", 35}}, false},
      {"transpose x=*x*", {{"d0", 33}, {"d1", 19}}, false},
      {"transpose x=*x*x* perm=1,0,2", {{"d0", 5}, {"d1", 7}, {"d2", 19}}, false},
      {"attention heads=4 kv_heads=2 head_dim=40 q=* kv=* causal=1", {{"q", 7}, {"kv", 33}}, true},
      {"attention heads=4 kv_heads=2 head_dim=40 q=* kv=* causal=1 kv_type=bf16 a=bf16 order=pairs", {{"q", 7}, {"kv", 33}}, true},
      {"attention heads=2 head_dim=40 q=* kv=* kv_type=bf16 a=bf16 order=tile32", {{"q", 7}, {"kv", 33}}, true},
  };
  return all;
}

/// What each thread of a pool found in its MXCSR during one job. Every thread takes a task: a task waits for the others.
std::vector<unsigned> seenBy(ThreadPool& pool, bool spoil = false) {
  struct Job {
    std::vector<unsigned> seen;
    std::atomic<int> arrived{0};
    bool spoil;
  } job{std::vector<unsigned>(static_cast<size_t>(pool.threads())), 0, spoil};
  auto task = [](void* context, int thread, int64_t begin, int64_t end) {
    Job& own = *static_cast<Job*>(context);
    own.seen[static_cast<size_t>(thread)] = _mm_getcsr() & ~kStatusBits;
    own.arrived += static_cast<int>(end - begin);
    while (own.arrived < static_cast<int>(own.seen.size())) std::this_thread::yield();
    if (own.spoil && thread != 0) _mm_setcsr(kDefault | 0x2000);
  };
  pool.run(pool.threads(), task, &job);
  return job.seen;
}

}  // namespace

TEST_CASE("kernels of every family leave the control words, and compute in the caller's mode") {
  int64_t runs = 0, moved = 0;
  ThreadPool pool(3);
  TaskRunner runner = runnerOf(pool);
  for (const Target& level : runnableLevels()) {
    KernelLibrary library(level, {});
    for (const Family& family : families()) {
      OpDesc desc = op(family.op);
      KernelSet kernel = kernelOf(library, desc);
      CheckInputs inputs = makeInputs(fixed(desc, family.dims), InputData::ZeroMean, kSeed);
      std::vector<float> usual = runIn(kModes[0], kernel, inputs, family.dims).output;
      bool anyMoved = false;
      for (const Mode& mode : kModes) {
        INFO(family.op << " on " << level.level << ", " << mode.name);
        ModeRun own = runIn(mode, kernel, inputs, family.dims), shared = runIn(mode, kernel, inputs, family.dims, &runner);
        CHECK(own.kept(mode));
        CHECK(shared.kept(mode));
        CHECK(differing(own.output, shared.output) == "");  // the pool's threads compute in the caller's mode
        anyMoved = anyMoved || !differing(usual, own.output).empty();
        CHECK(differing(usual, runIn(kModes[0], kernel, inputs, family.dims, &runner).output) == "");  // and nothing of it stays behind
        ++runs;
      }
      INFO(family.op << " on " << level.level);
      CHECK(anyMoved == family.rounds);  // else the modes were not in force
      moved += anyMoved;
    }
  }
  std::cout << runs << " modes of kernels, " << moved << " kernels whose results depend on them, seed " << kSeed << "\n";
  CHECK(runs >= 100);
}

TEST_CASE("denormals count in the default mode, and are flushed where the caller flushes") {
  for (const Target& level : runnableLevels()) {
    KernelLibrary library(level, {});
    OpDesc desc = op("add a=* b=*");
    KernelSet kernel = kernelOf(library, desc);
    CheckInputs inputs = makeInputs(fixed(desc, {{"d0", 67}}), InputData::ZeroMean, kSeed);
    for (size_t i = 0; i < 67; ++i) inputs.arrays[0].f32()[i] = inputs.arrays[1].f32()[i] = 1e-40f;
    ThreadPool pool(3);
    TaskRunner runner = runnerOf(pool);
    for (const TaskRunner* by : {static_cast<const TaskRunner*>(nullptr), static_cast<const TaskRunner*>(&runner)}) {
      CHECK(runIn(kModes[0], kernel, inputs, {{"d0", 67}}, by).output == std::vector<float>(67, 1e-40f + 1e-40f));
      CHECK(runIn(kModes[1], kernel, inputs, {{"d0", 67}}, by).output == std::vector<float>(67, 0.0f));
    }
  }
}

TEST_CASE("a pool's threads run with the caller's MXCSR, job by job") {
  for (int threads : {1, 2, 5}) {
    Patience endless;  // tasks that wait for each other need every thread
    endless.windowNs = std::numeric_limits<int64_t>::max();
    ThreadPool pool(threads, endless);
    for (const Mode& mode : kModes)
      for (bool spoil : {false, true}) {  // what a task leaves behind does not reach the next job
        InMode set(mode);
        std::vector<unsigned> seen = seenBy(pool, spoil);
        unsigned after = _mm_getcsr() & ~kStatusBits;
        INFO(threads << " threads, " << mode.name);
        CHECK(seen == std::vector<unsigned>(static_cast<size_t>(threads), mode.mxcsr));
        CHECK(after == mode.mxcsr);
      }
  }
}

TEST_CASE("a kernel that changes a control word is noticed") {
  KernelLibrary library(hostTarget(), {});
  OpDesc desc = op("add a=* b=*");
  CompiledKernel spoiling = *kernelOf(library, desc).wide;
  CheckInputs inputs = makeInputs(fixed(desc, {{"d0", 5}}), InputData::ZeroMean, kSeed);
  spoiling.entry = [](const QuernArgs*, int64_t, int64_t) { _mm_setcsr(_mm_getcsr() | 0x40); };
  CHECK_FALSE(runIn(kModes[0], std::make_shared<const CompiledKernel>(spoiling), inputs, {{"d0", 5}}).kept(kModes[0]));
  spoiling.entry = [](const QuernArgs*, int64_t, int64_t) { writeX87(0xf7f); };
  CHECK_FALSE(runIn(kModes[0], std::make_shared<const CompiledKernel>(spoiling), inputs, {{"d0", 5}}).kept(kModes[0]));
}

#else
TEST_CASE("no MXCSR here") { WARN("this machine is not x86-64: skipped"); }
#endif
