// tests/numeric/KernelRuns.h — what tests that run kernels share: the kernel of an op, bits compared, tasks on a pool.
#pragma once

#include "compiler/base/Text.h"
#include "compiler/store/WeightPacking.h"
#include "runtime/ThreadPool.h"
#include "tests/Support.h"
#include "tuner/check/KernelCheck.h"

#include <cmath>
#include <cstring>
#include <fmt/format.h>
#include <span>

namespace quern {

/// The kernel of an op as every caller gets it: the default schedule, kernels of few rows with it.
inline KernelSet kernelOf(KernelLibrary& library, const OpDesc& desc) {
  auto kernel = library.kernels(desc);
  INFO(text(desc) << " on " << library.target().level << (kernel ? "" : ": " + kernel.error().message));
  REQUIRE(kernel);
  return *kernel;
}

/// Those of `all` that the op leaves open.
inline DimValues openDims(const OpDesc& desc, const DimValues& all) {
  DimValues dims;
  for (const std::string& name : runtimeDims(desc)) dims[name] = all.at(name);
  return dims;
}

/// "d0=3 d1=17", as a failure tells it.
inline std::string text(const DimValues& dims) {
  std::string out;
  for (const auto& [name, value] : dims) out += fmt::format("{}{}={}", out.empty() ? "" : " ", name, value);
  return out;
}

/// The first element whose bits differ: "element 5 is 3, 4 is right"; "" where all are the same.
inline std::string differing(std::span<const float> expected, std::span<const float> actual) {
  if (expected.size() != actual.size()) return fmt::format("{} elements, {} are right", actual.size(), expected.size());
  if (expected.empty() || std::memcmp(expected.data(), actual.data(), expected.size_bytes()) == 0) return "";
  for (size_t i = 0; i < expected.size(); ++i)
    if (std::memcmp(&expected[i], &actual[i], 4) != 0)
      return fmt::format("element {} is {}, {} is right", i, shortest(actual[i]), shortest(expected[i]));
  return "";
}

/// out [m,n] of one call, operands dense: A [m,depth], the stored weight, packed here; `c`: what an acc=1 adds to. `runner` null: on this
/// thread.
inline std::vector<float> packedProduct(const KernelSet& kernel, int64_t m, int64_t n, const std::vector<float>& a, const void* weight,
                                        int64_t depth, const TaskRunner* runner, const std::vector<float>& c = {}) {
  REQUIRE(kernel.packing() != nullptr);
  std::vector<std::byte> packed(static_cast<size_t>(kernel.packing()->bytes()), std::byte{0x5a});
  packWeight(*kernel.packing(), weight, packed.data());
  std::vector<float> out = c.empty() ? std::vector<float>(static_cast<size_t>(m * n), NAN) : c;
  const int64_t dims[] = {m};
  const Operand operands[] = {{a.data(), {depth}}, {packed.data(), {}}, {out.data(), {n}}};
  auto call = KernelCall::make(kernel, dims, operands, 3);
  REQUIRE(call);
  if (runner == nullptr) call->run();
  else call->run(*runner);
  return out;
}

/// The levels of this host and, of `more`, targets as text, those that it contains.
inline std::vector<Target> levelsAnd(std::initializer_list<const char*> more) {
  std::vector<Target> targets = runnableLevels();
  for (const char* given : more) {
    Target target = *parseTarget(given);
    if (hostTarget().lackingFor(target).empty()) targets.push_back(target);
  }
  return targets;
}

/// What the op runs with by default, and with each of `schedules`.
inline std::vector<KernelSet> kernelsOf(KernelLibrary& library, const OpDesc& desc, const std::vector<std::string>& schedules) {
  std::vector<KernelSet> kernels = {kernelOf(library, desc)};
  for (const std::string& keys : schedules) {
    auto chosen = parseSchedule(keys, desc, library.target());
    INFO(keys << " " << (chosen ? "" : chosen.error().message));
    REQUIRE(chosen);
    auto kernel = library.get(desc, *chosen);
    REQUIRE(kernel);
    kernels.push_back(*kernel);
  }
  return kernels;
}

/// One call of so many rows, and what is right of it, bit by bit.
struct ProductCase {
  int64_t m, n, depth;
  const std::vector<float>& a;
  const void* weight;
  const std::vector<float>& expected;
};
/// Holds every kernel against it, an even number of rows with the tasks shared out. Returns how many were compared.
inline int64_t compareProducts(const std::vector<KernelSet>& kernels, const ProductCase& one, const TaskRunner& runner) {
  for (const KernelSet& kernel : kernels) {
    INFO(kernel.info().op << " | " << kernel.info().schedule << " m=" << one.m << " on " << kernel.info().contract);
    CHECK(differing(one.expected, packedProduct(kernel, one.m, one.n, one.a, one.weight, one.depth, one.m % 2 == 0 ? &runner : nullptr)) ==
          "");
  }
  return static_cast<int64_t>(kernels.size());
}

/// Tasks shared out by a pool.
inline TaskRunner runnerOf(ThreadPool& pool) {
  return [&pool](int64_t count, const std::function<void(int, int64_t, int64_t)>& task) {
    auto call = [](void* context, int thread, int64_t begin, int64_t end) {
      (*static_cast<const std::function<void(int, int64_t, int64_t)>*>(context))(thread, begin, end);
    };
    pool.run(count, call, const_cast<void*>(static_cast<const void*>(&task)));
  };
}

}  // namespace quern
