// tests/store/CrowdTest.cpp — many processes on one cold cache: each wants every kernel, one is killed, one prunes.
#include "compiler/store/KernelCache.h"
#include "compiler/store/Standing.h"
#include "tests/store/StoreSupport.h"

#include <atomic>
#include <csignal>
#include <iostream>
#include <random>
#include <sys/mman.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

using namespace quern;
using namespace std::chrono_literals;

namespace {

/// What the processes tell each other.
struct Shared {
  std::atomic<int64_t> compiled, pruned;
  std::atomic<bool> over;
};

std::vector<OpDesc> wantedOps(int count) {
  std::vector<OpDesc> ops;
  for (int n = 1; n <= count; ++n) ops.push_back(op(fmt::format("{} a=*x{} b={}", n % 2 == 0 ? "add" : "sub", n, n)));
  return ops;
}

/// Every kernel, in an order of its own; what is compiled is counted at once.
int wantsAll(const std::string& cache, std::vector<OpDesc> ops, uint64_t seed, Shared& shared) {
  KernelLibrary library(hostTarget(), {cache});
  std::shuffle(ops.begin(), ops.end(), std::mt19937_64(seed));
  int64_t before = 0;
  for (const OpDesc& desc : ops) {
    if (!library.kernels(desc)) return 1;
    shared.compiled += library.counts().compiled - before;
    before = library.counts().compiled;
  }
  return 0;
}

/// Takes away what another program's is, as `cache prune` does, until the others are done.
int prunes(const std::string& directory, Shared& shared) {
  KernelCache cache({directory});
  while (!shared.over) {
    for (const CacheFile& file : cache.ownFiles())
      if (file.artifact && standingOf(*file.artifact, hostTarget()).kind == Standing::Foreign) {
        if (!cache.remove(file)) return 1;
        ++shared.pruned;
      }
    std::this_thread::sleep_for(5ms);
  }
  return 0;
}

pid_t started(const std::function<int()>& work) {
  pid_t child = ::fork();
  if (child == 0) ::_exit(work());
  REQUIRE(child > 0);
  return child;
}

int statusOf(pid_t child) {
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

}  // namespace

TEST_CASE("many processes on a cold cache, one killed, one pruning: at most 1.2 compilations a kernel, nothing damaged") {
  constexpr int processes = 32, keys = 370, foreign = 20;
  Folder folder;
  KernelCache cache({folder.path});
  KernelArtifact other = sampleKernel();
  for (int i = 0; i < foreign; ++i) {
    other.key.generator = fmt::format("{:016x}", i);
    REQUIRE(cache.put(other));
  }
  void* memory = ::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  REQUIRE(memory != MAP_FAILED);
  Shared& shared = *new (memory) Shared{};
  std::vector<OpDesc> ops = wantedOps(keys);
  std::vector<pid_t> all;
  for (int i = 0; i < processes; ++i) all.push_back(started([&] { return wantsAll(folder.path, ops, static_cast<uint64_t>(i), shared); }));
  pid_t pruner = started([&] { return prunes(folder.path, shared); });
  // The first goes while it compiles and writes.
  for (int i = 0; i < 60'000 && shared.compiled < keys / 4; ++i) std::this_thread::sleep_for(1ms);
  ::kill(all[0], SIGKILL);
  CHECK(statusOf(all[0]) == 1000 + SIGKILL);
  for (size_t i = 1; i < all.size(); ++i) CHECK(statusOf(all[i]) == 0);
  shared.over = true;
  CHECK(statusOf(pruner) == 0);
  std::cout << processes << " processes, " << keys << " kernels: " << shared.compiled << " compilations, " << shared.pruned << " pruned\n";
  CHECK(static_cast<double>(shared.compiled) <= 1.2 * keys);
  CHECK(shared.pruned == foreign);
  // The next writer removes what the killed one left.
  KernelLibrary next(hostTarget(), {folder.path});
  REQUIRE(next.kernels(op("softmax x=*x37")));
  std::vector<CacheFile> files = cache.files();
  CHECK(files.size() == static_cast<size_t>(keys) + 1);
  for (const CacheFile& file : files) CHECK(file.artifact);
  auto entries = TrustedFolder::make(folder.path + "/kernels");
  REQUIRE(entries);
  for (const std::string& name : entries->names()) CHECK(name.ends_with(".qk"));
  ::munmap(memory, sizeof(Shared));
}
