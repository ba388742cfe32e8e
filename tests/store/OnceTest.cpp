// tests/store/OnceTest.cpp — a key is made once however many threads and libraries ask; claims outlive nobody.
#include "compiler/store/KeyClaim.h"
#include "tests/store/StoreSupport.h"

#include <csignal>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

using namespace quern;
using namespace std::chrono_literals;

namespace {

TrustedFolder trusted(const std::string& path) {
  auto folder = TrustedFolder::make(path);
  REQUIRE(folder);
  return std::move(*folder);
}

}  // namespace

TEST_CASE("sixteen threads make each kernel once") {
  for (bool withCache : {true, false}) {
    Folder folder;
    KernelLibrary library(hostTarget(), withCache ? std::vector<std::string>{folder.path} : std::vector<std::string>());
    std::vector<OpDesc> ops = {op("add a=*x8 b=8"), op("softmax x=*x37"), op("gelu x=100")};
    std::vector<std::thread> threads;
    std::atomic<int> good{0};
    for (int i = 0; i < 16; ++i)
      threads.emplace_back([&] {
        for (const OpDesc& desc : ops) good += library.kernels(desc) ? 1 : 0;
      });
    for (std::thread& thread : threads) thread.join();
    CHECK(good == 48);
    CHECK(library.counts().compiled == 3);
  }
}

TEST_CASE("sixteen threads ask for fifty kernels a thousand times: fifty are made") {
  Folder folder;
  KernelLibrary library(hostTarget(), {folder.path});
  std::vector<OpDesc> ops;
  for (int n = 1; n <= 50; ++n) ops.push_back(op(fmt::format("add a=*x{} b={}", n, n)));
  std::vector<std::thread> threads;
  std::atomic<int64_t> good{0};
  for (int i = 0; i < 16; ++i)
    threads.emplace_back([&, i] {
      int64_t mine = 0;
      for (int round = 0; round < 1000; ++round)
        for (size_t k = 0; k < ops.size(); ++k) mine += library.kernels(ops[(k + static_cast<size_t>(i) * 3) % ops.size()]) ? 1 : 0;
      good += mine;
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(good == 16 * 50 * 1000);
  CHECK(library.counts().compiled == 50);
}

TEST_CASE("kernels that are foreseen are made side by side, each once") {
  for (bool withCache : {true, false}) {
    Folder folder;
    std::vector<std::string> caches = withCache ? std::vector<std::string>{folder.path} : std::vector<std::string>();
    std::vector<std::pair<OpDesc, Schedule>> wanted;
    for (const char* each : {"add a=*x8 b=8", "softmax x=*x37", "matmul m=64 n=64 k=64", "gelu x=100", "softmax x=*x37"})
      wanted.emplace_back(op(each), defaultSchedule(op(each), hostTarget()));
    for (int threads : {1, 3}) {
      KernelLibrary library(hostTarget(), caches);
      library.prepare(wanted, threads);
      bool again = withCache && threads == 3;  // the first has filled the cache
      CHECK(library.counts().compiled == (again ? 0 : 4));
      for (const auto& [desc, schedule] : wanted) CHECK(library.get(desc, schedule));
      CHECK(library.counts().compiled == (again ? 0 : 4));
      CHECK(library.counts().reused >= 5);
    }
  }
}

TEST_CASE("two libraries on one cache, at the same time, compile a key once") {
  Folder folder;
  KernelLibrary one(hostTarget(), {folder.path}), two(hostTarget(), {folder.path});
  OpDesc desc = op("softmax x=*x37");
  std::thread other([&] { (void)one.kernels(desc); });
  (void)two.kernels(desc);
  other.join();
  CHECK(one.counts().compiled + two.counts().compiled == 1);
}

TEST_CASE("what is made fails for all who wait, and is tried again") {
  SingleFlight<int> flights;
  std::atomic<int> made{0};
  CHECK_THROWS_AS(flights.once("a",
                               [&]() -> int {
                                 ++made;
                                 throw std::bad_alloc();
                               }),
                  std::bad_alloc);
  CHECK(flights.once("a", [&] { return ++made; }) == 2);
  CHECK(flights.once("a", [&] { return ++made; }) == 3);
}

TEST_CASE("a claim keeps others waiting, for so long; nothing of it stays") {
  Folder folder;
  {
    KeyClaim mine = KeyClaim::take(trusted(folder.path), "k", 0ms);
    auto start = std::chrono::steady_clock::now();
    KeyClaim without = KeyClaim::take(trusted(folder.path), "k", 50ms);
    CHECK(std::chrono::steady_clock::now() - start >= 50ms);
    KeyClaim another = KeyClaim::take(trusted(folder.path), "l", 10'000ms);
    CHECK(std::chrono::steady_clock::now() - start < 5s);
    KeyClaim stopped = KeyClaim::take(trusted(folder.path), "k", 600'000ms, Stop().within(0.05));
    CHECK(std::chrono::steady_clock::now() - start < 60s);
  }
  CHECK(trusted(folder.path).names().empty());
}

TEST_CASE("the claim of a killed process is nobody's") {
  Folder folder;
  int ready[2];
  REQUIRE(::pipe(ready) == 0);
  pid_t owner = ::fork();
  if (owner == 0) {
    KeyClaim mine = KeyClaim::take(trusted(folder.path), "k", 0ms);
    (void)!::write(ready[1], "x", 1);
    while (true) ::pause();
  }
  char byte = 0;
  REQUIRE(::read(ready[0], &byte, 1) == 1);
  CHECK(trusted(folder.path).names() == std::vector<std::string>{"k.lock"});
  std::thread killer([&] {
    std::this_thread::sleep_for(50ms);
    ::kill(owner, SIGKILL);
  });
  auto start = std::chrono::steady_clock::now();
  {
    KeyClaim mine = KeyClaim::take(trusted(folder.path), "k", 20'000ms);
  }
  CHECK(std::chrono::steady_clock::now() - start < 10s);
  killer.join();
  ::waitpid(owner, nullptr, 0);
  CHECK(trusted(folder.path).names().empty());
}
