// tests/tuner/WorkerTest.cpp — candidates that do all a process can do wrong cost one candidate each; those that cheat do not win.
#include "tests/Support.h"
#include "tuner/OpContest.h"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <csignal>
#include <cstdlib>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace quern;

namespace {

using Wrong = void (*)(const QuernArgs* args);

volatile int gSink = 0;

int deeper(int depth) {
  volatile char page[4096];
  page[0] = static_cast<char>(depth);
  return depth < 0 ? 0 : deeper(depth + 1) + page[0];
}

const std::pair<const char*, Wrong> kBad[] = {
    {"null write", [](const QuernArgs*) { *reinterpret_cast<volatile int*>(gSink) = 1; }},
    {"ud2", [](const QuernArgs*) { __builtin_trap(); }},
    {"a signal that it raises", [](const QuernArgs*) { std::raise(SIGILL); }},
    {"endless loop",
     [](const QuernArgs*) {
       for (;;) gSink = 1;
     }},
    {"endless loop, signals blocked",
     [](const QuernArgs*) {
       sigset_t all;
       sigfillset(&all);
       sigprocmask(SIG_BLOCK, &all, nullptr);
       for (;;) gSink = 1;
     }},
    {"64 GiB",
     [](const QuernArgs*) {
       constexpr size_t kMuch = size_t{64} << 30, kPage = 4096;
       auto* memory = static_cast<char*>(mmap(nullptr, kMuch, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
       for (size_t at = 0; at < kMuch; at += kPage) memory[at] = 1;
     }},
    {"stack overflow", [](const QuernArgs*) { gSink = deeper(0); }},
    {"abort", [](const QuernArgs*) { std::abort(); }},
    {"_exit(0)", [](const QuernArgs*) { _exit(0); }},
    {"rubbish in the pipe",
     [](const QuernArgs*) {
       for (int fd = 3; fd < 64; ++fd) {
         int flags = fcntl(fd, F_GETFL);
         if (flags >= 0 && (flags & O_ACCMODE) == O_WRONLY) (void)!write(fd, "rubbish rubbish rubbish rubbish rubbish", 39);
       }
     }},
    {"SIGSTOP", [](const QuernArgs*) { std::raise(SIGSTOP); }},
    {"fork bomb",
     [](const QuernArgs*) {
       for (int i = 0; i < 50; ++i)
         if (fork() == 0)
           for (;;) pause();
       for (;;) pause();
     }},
    {"corrupts its input", [](const QuernArgs* args) { *static_cast<float*>(const_cast<void*>(args->buffers[0])) = 7; }},
    {"sleeps", [](const QuernArgs*) { sleep(1000); }},
};

/// What each kernel really does, for those that cheat with it.
QuernKernel* gReal = nullptr;
Wrong gWrong = nullptr;

void wrongKernel(const QuernArgs* args, int64_t begin, int64_t end) {
  gWrong(args);
  gReal(args, begin, end);
}

int64_t residentBytes() {
  int64_t total = 0, resident = 0;
  if (std::FILE* file = std::fopen("/proc/self/statm", "r")) {
    (void)!std::fscanf(file, "%ld %ld", &total, &resident);
    std::fclose(file);
  }
  return resident * sysconf(_SC_PAGESIZE);
}

/// A call of matmul m=* n=40 k=12 as a liar sees it: x is A, y is C.
struct Call {
  explicit Call(const QuernArgs* args)
      : x(static_cast<const float*>(args->buffers[0])),
        y(static_cast<float*>(const_cast<void*>(args->buffers[2]))),
        rows(args->dims[0]),
        xStride(args->strides[0]),
        yStride(args->strides[2]) {}
  const float* x;
  float* y;
  int64_t rows, xStride, yStride;
  static constexpr int64_t kWidth = 40, kDepth = 12;
  int64_t last() const { return (rows - 1) * yStride + kWidth - 1; }
  bool any(bool (*is)(float)) const {
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t i = 0; i < kDepth; ++i)
        if (is(x[r * xStride + i])) return true;
    return false;
  }
  template <class Change>
  void each(Change&& change) const {
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t i = 0; i < kWidth; ++i) change(y[r * yStride + i], r, i);
  }
};

uint32_t bitsOf(float value) {
  uint32_t bits = 0;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

/// What each does in place of the kernel, or after it; `real` runs the kernel.
using Lie = void (*)(const Call& call, const std::function<void()>& real);
int gCalls = 0;
std::vector<float> gRemembered;

const std::pair<const char*, Lie> kLiars[] = {
    {"returns at once", [](const Call&, const std::function<void()>&) {}},
    {"remembers its first answer",
     [](const Call& c, const std::function<void()>& real) {
       if (!gRemembered.empty()) return c.each([&](float& y, int64_t r, int64_t i) { y = gRemembered[static_cast<size_t>(r * 40 + i)]; });
       real();
       c.each([&](float& y, int64_t, int64_t) { gRemembered.push_back(y); });
     }},
    {"writes zeros", [](const Call& c, const std::function<void()>&) { c.each([](float& y, int64_t, int64_t) { y = 0; }); }},
    {"skips the last element",
     [](const Call& c, const std::function<void()>& real) {
       float before = c.rows > 0 ? c.y[c.last()] : 0;
       real();
       if (c.rows > 0) c.y[c.last()] = before;
     }},
    {"skips the last row",
     [](const Call& c, const std::function<void()>& real) {
       real();
       c.each([&](float& y, int64_t r, int64_t) { y = r + 1 == c.rows ? 0 : y; });
     }},
    {"skips rows beyond a multiple of five",
     [](const Call& c, const std::function<void()>& real) {
       real();
       c.each([&](float& y, int64_t r, int64_t) { y = r >= c.rows / 5 * 5 ? 0 : y; });
     }},
    {"is wrong with NaN",
     [](const Call& c, const std::function<void()>& real) {
       if (!c.any([](float x) { return std::isnan(x); })) real();
     }},
    {"is wrong with infinities",
     [](const Call& c, const std::function<void()>& real) {
       if (!c.any([](float x) { return std::isinf(x); })) real();
     }},
    {"is wrong with huge values",
     [](const Call& c, const std::function<void()>& real) {
       if (!c.any([](float x) { return std::abs(x) > 1e30F; })) real();
     }},
    {"is wrong where operands are misaligned",
     [](const Call& c, const std::function<void()>& real) {
       if (reinterpret_cast<uintptr_t>(c.x) % 32 == 0) real();
     }},
    {"takes rows for dense",
     [](const Call& c, const std::function<void()>& real) {
       if (c.xStride == Call::kDepth) real();
     }},
    {"works twice",
     [](const Call&, const std::function<void()>& real) {
       if (++gCalls <= 2) real();
     }},
    {"is right only on the check's inputs",
     [](const Call& c, const std::function<void()>& real) {
       // It knows them by their first elements: those that it saw before it was timed.
       float first = c.rows > 0 ? c.x[0] : 0;
       if (++gCalls <= 2) gRemembered.push_back(first);
       bool known = std::any_of(gRemembered.begin(), gRemembered.end(), [&](float x) { return bitsOf(x) == bitsOf(first); });
       if (known) real();
     }},
    {"is right only at the size that is timed",
     [](const Call& c, const std::function<void()>& real) {
       if (c.rows == 24) real();
     }},
    {"writes an element past the end",
     [](const Call& c, const std::function<void()>& real) {
       real();
       if (c.rows > 0) c.y[c.last() + 1] = 0;
     }},
    {"writes between rows",
     [](const Call& c, const std::function<void()>& real) {
       real();
       if (c.rows > 1 && c.yStride > Call::kWidth) c.y[Call::kWidth] = 0;
     }},
    {"reads before its input",
     [](const Call& c, const std::function<void()>& real) {
       gSink = c.rows > 0 && c.x[-1] > 0 ? 1 : 0;
       real();
     }},
    {"rounds to bf16",
     [](const Call& c, const std::function<void()>& real) {
       real();
       c.each([](float& y, int64_t, int64_t) {
         uint32_t bits = bitsOf(y) & 0xffff0000;
         std::memcpy(&y, &bits, sizeof bits);
       });
     }},
    {"is one unit in the last place off, once",
     [](const Call& c, const std::function<void()>& real) {
       real();
       c.each([](float& y, int64_t r, int64_t i) { y = r == 7 && i == 3 ? std::nextafter(y, 2.0F) : y; });
     }},
    {"works in its input",
     [](const Call& c, const std::function<void()>& real) {
       if (c.rows > 0) *const_cast<volatile float*>(&c.x[0]) = 1;
       real();
     }},
};
Lie gLie = nullptr;

void lyingKernel(const QuernArgs* args, int64_t begin, int64_t end) {
  gLie(Call(args), [&] { gReal(args, begin, end); });
}

WorkloadItem softmax() { return {op("softmax x=16x40"), {}, 1, CacheState::Hot, 1}; }

SearchSpace space() {
  auto read = readSearchSpace("default");
  REQUIRE(read);
  return *read;
}

}  // namespace

TEST_CASE("whatever a candidate does, the tuner goes on, and nothing is left of it") {
  KernelLibrary library(hostTarget(), {});
  for (auto [name, wrong] : kBad) {
    INFO(name);
    gWrong = wrong;
    TuneOptions options;
    options.patienceSeconds = 0.4;
    options.candidates = {*parseSchedule("rows=3", softmax().op, library.target())};
    options.plant = [](const KernelRef& real) {
      gReal = real->entry;
      auto bad = std::make_shared<CompiledKernel>(*real);
      bad->entry = wrongKernel;
      return KernelRef(bad);
    };
    int64_t before = residentBytes();
    auto outcome = tuneOp(library, space(), softmax(), options);
    REQUIRE(outcome);
    CHECK(outcome->schedule == text(defaultSchedule(softmax().op, library.target())));
    REQUIRE(outcome->candidates.size() == 1);
    INFO(outcome->candidates[0].outcome);
    CHECK(outcome->candidates[0].outcome.starts_with("failed: "));
    CHECK(waitpid(-1, nullptr, WNOHANG) == -1);  // no child, dead or alive, and none that was left to us
    CHECK(errno == ECHILD);
    constexpr int64_t kGrowth = 1 << 20;  // of the whole op; the first one loads the code generator
    if (name != kBad[0].first) CHECK(residentBytes() - before < kGrowth);
  }
}

TEST_CASE("no kernel that cheats wins, however fast it is") {
  KernelLibrary library(hostTarget(), {});
  WorkloadItem item{op("matmul m=* n=40 k=12"), {}, 1, CacheState::Hot, 1};
  item.sample = {{"m", 24}};
  TuneOptions options;
  options.candidates = {*parseSchedule(fmt::format("mr=3 nr={}", library.target().vectorLanes()), item.op, library.target())};
  options.timePairs = [](const std::string&, const std::string&, int pairs) {
    return PairSamples{std::vector<double>(static_cast<size_t>(pairs), 100), std::vector<double>(static_cast<size_t>(pairs), 10)};
  };
  auto tuned = [&](QuernKernel* entry) {
    options.plant = [entry](const KernelRef& real) {
      gReal = real->entry;
      auto planted = std::make_shared<CompiledKernel>(*real);
      planted->entry = entry;
      return KernelRef(planted);
    };
    auto outcome = tuneOp(library, space(), item, options);
    REQUIRE(outcome);
    REQUIRE(outcome->candidates.size() == 1);
    return *outcome;
  };
  for (auto [name, lie] : kLiars) {
    gLie = lie;
    TuneOutcome outcome = tuned(lyingKernel);
    INFO(name << ": " << outcome.candidates[0].outcome);
    CHECK(outcome.schedule == text(defaultSchedule(item.op, library.target())));
    CHECK((outcome.candidates[0].outcome.starts_with("wrong: ") || outcome.candidates[0].outcome.starts_with("failed: ")));
  }
  gLie = [](const Call&, const std::function<void()>& real) { real(); };  // an honest one does
  TuneOutcome outcome = tuned(lyingKernel);
  CHECK(outcome.candidates[0].outcome == "won");
  CHECK(outcome.schedule != text(defaultSchedule(item.op, library.target())));
}

TEST_CASE("a worker's processor time is allowed to each of its threads") {
  auto allowed = [](int threads) {
    WorkerLimits limits;
    limits.threads = threads;
    WorkerProcess worker(
        [](std::string_view) {
          rlimit now{};
          getrlimit(RLIMIT_CPU, &now);
          return std::to_string(now.rlim_cur);
        },
        limits);
    constexpr double kSeconds = 50;
    auto answer = worker.ask("", kSeconds);
    REQUIRE(answer);
    return std::stoi(*answer);
  };
  CHECK(allowed(1) >= 50);
  CHECK(allowed(1) < 100);
  CHECK(allowed(8) >= 400);
}
