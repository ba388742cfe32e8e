// tests/tuner/WorkerTest.cpp — candidates that do all a process can do wrong cost one candidate each; those that cheat do not win.
#include "tests/Support.h"
#include "tuner/OpContest.h"

#include <csignal>
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
    constexpr int64_t kGrowth = 8 << 20;  // of the whole op; the first one loads the code generator
    if (name != kBad[0].first) CHECK(residentBytes() - before < kGrowth);
  }
}
