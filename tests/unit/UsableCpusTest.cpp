// tests/unit/UsableCpusTest.cpp — CPU quotas and memory limits of control groups, read from trees as systems and containers show them.
#include "compiler/base/Files.h"
#include "compiler/target/CpuCaches.h"
#include "compiler/target/HostMemory.h"
#include "compiler/target/UsableCpus.h"
#include "tests/Support.h"

#include <catch2/catch.hpp>
#include <sched.h>

namespace quern {

namespace {

/// Files under a folder that stands for /.
class Tree {
public:
  Tree& file(const std::string& path, const std::string& content) {
    std::string whole = folder_.path + path;
    REQUIRE(makeDirectories(whole.substr(0, whole.rfind('/'))));
    REQUIRE(writeFileAtomically(whole, content));
    return *this;
  }
  const std::string& root() const { return folder_.path; }

private:
  Folder folder_;
};

constexpr const char* kSecond = "30 24 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n";
constexpr const char* kFirst =
    "31 23 0:28 / /sys/fs/cgroup ro - tmpfs tmpfs ro,mode=755\n33 31 0:30 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n";

}  // namespace

TEST_CASE("version 2: the least quota from the process's group up to the root") {
  Tree tree;
  tree.file("/proc/self/mountinfo", kSecond).file("/proc/self/cgroup", "0::/user.slice/job\n");
  CHECK_FALSE(cpuQuota(tree.root()));
  tree.file("/sys/fs/cgroup/user.slice/job/cpu.max", "max 100000\n");
  CHECK_FALSE(cpuQuota(tree.root()));
  tree.file("/sys/fs/cgroup/user.slice/cpu.max", "150000 100000\n");
  CHECK(cpuQuota(tree.root()) == 1.5);
  tree.file("/sys/fs/cgroup/user.slice/job/cpu.max", "20000 50000\n");
  CHECK(cpuQuota(tree.root()) == 0.4);
  tree.file("/sys/fs/cgroup/user.slice/job/cpu.max", "300000 100000\n");
  CHECK(cpuQuota(tree.root()) == 1.5);
}

TEST_CASE("version 2 in a container: its own group is the root") {
  Tree tree;
  tree.file("/proc/self/mountinfo", kSecond).file("/proc/self/cgroup", "0::/\n").file("/sys/fs/cgroup/cpu.max", "100000 100000\n");
  CHECK(cpuQuota(tree.root()) == 1);
}

TEST_CASE("version 1: quota and period are files of their own, -1 is none") {
  Tree tree;
  tree.file("/proc/self/mountinfo", kFirst).file("/proc/self/cgroup", "4:memory:/other\n3:cpu,cpuacct:/batch\n0::/\n");
  tree.file("/sys/fs/cgroup/cpu,cpuacct/batch/cpu.cfs_quota_us", "-1\n")
      .file("/sys/fs/cgroup/cpu,cpuacct/batch/cpu.cfs_period_us", "100000\n");
  CHECK_FALSE(cpuQuota(tree.root()));
  tree.file("/sys/fs/cgroup/cpu,cpuacct/batch/cpu.cfs_quota_us", "250000\n");
  CHECK(cpuQuota(tree.root()) == 2.5);
}

TEST_CASE("version 1 in a container without a namespace: the mount shows the group itself") {
  Tree tree;
  tree.file("/proc/self/mountinfo", "33 31 0:30 /docker/ab12 /sys/fs/cgroup/cpu ro - cgroup cgroup rw,cpu\n");
  tree.file("/proc/self/cgroup", "3:cpu:/docker/ab12\n");
  tree.file("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "50000\n").file("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
  CHECK(cpuQuota(tree.root()) == 0.5);
}

TEST_CASE("memory: the least limit, also of a group with a colon in its name, and beside other controllers") {
  Tree tree;
  tree.file("/proc/meminfo", "MemTotal: 9000000 kB\nMemAvailable:   4000 kB\n");
  CHECK(hostMemory(tree.root()).freeBytes == 4000 * 1024);
  tree.file("/proc/self/mountinfo", kSecond).file("/proc/self/cgroup", "0::/kubepods/cri-containerd:ab12\n");
  tree.file("/sys/fs/cgroup/kubepods/memory.max", "max\n").file("/sys/fs/cgroup/kubepods/cri-containerd:ab12/memory.max", "3000000\n");
  CHECK(hostMemory(tree.root()).mostBytes == 3000000);
  tree.file("/sys/fs/cgroup/kubepods/cri-containerd:ab12/memory.current", "1000000\n");
  CHECK(hostMemory(tree.root()).freeBytes == 2000000);
  tree.file("/proc/self/mountinfo", "33 31 0:30 / /groups/hugetlb,memory rw - cgroup cgroup rw,hugetlb,memory\n");
  tree.file("/proc/self/cgroup", "4:hugetlb,memory:/a:b\n");
  tree.file("/groups/hugetlb,memory/a:b/memory.limit_in_bytes", "2500000\n");
  CHECK(hostMemory(tree.root()).mostBytes == 2500000);
}

TEST_CASE("no /proc, no quota; rubbish is none") {
  Tree tree;
  CHECK_FALSE(cpuQuota(tree.root()));
  tree.file("/proc/self/mountinfo", "\n1 2\n- - -\n" + std::string(kSecond)).file("/proc/self/cgroup", "::\nx\n0::/a\n");
  for (const char* rubbish : {"", "max", "0 0", "100000 0", "-5 100000", "abc def", "1e5 1e5", "99999999999999999999 1"}) {
    tree.file("/sys/fs/cgroup/a/cpu.max", rubbish);
    INFO(rubbish);
    CHECK_FALSE(cpuQuota(tree.root()));
  }
}

TEST_CASE("the affinity mask decides") {
  cpu_set_t before, one;
  REQUIRE(::sched_getaffinity(0, sizeof before, &before) == 0);
  CPU_ZERO(&one);
  for (int cpu = 0; CPU_COUNT(&one) == 0; ++cpu)
    if (CPU_ISSET(cpu, &before)) CPU_SET(cpu, &one);
  REQUIRE(::sched_setaffinity(0, sizeof one, &one) == 0);
  int cpus = usableCpus();
  REQUIRE(::sched_setaffinity(0, sizeof before, &before) == 0);
  CHECK(cpus == 1);
  CHECK(usableCpus() <= CPU_COUNT(&before));
}

TEST_CASE("without /sys the CPU itself says how large its caches are") {
  Tree empty;
  for (int level : {1, 2}) {
    auto system = dataCacheBytes(level), cpu = dataCacheBytes(level, empty.root());
    INFO("level " << level);
    CHECK((system && *system >= 1024));
#if defined(__x86_64__)
    CHECK(cpu == system);
#endif
  }
}

}  // namespace quern
