// tests/numeric/MathsTest.cpp — the maths functions against their declared bounds: every 4099th float here, all 2^32 of them
// under --deep.
#include "compiler/reference/ScalarReference.h"
#include "compiler/store/KernelCall.h"
#include "tests/Support.h"

#include <bit>
#include <cmath>
#include <cstdlib>
#include <iostream>

using namespace quern;

namespace {

struct Worst {
  double overLimit = 0;
  float at = 0, got = 0;
};

/// Runs `fn` over every stride-th float and compares with double.
Worst worstOf(KernelLibrary& library, const std::string& name, uint32_t stride) {
  constexpr size_t kBatch = 1 << 16;
  const ScalarFnInfo* fn = findScalarFn(name);
  REQUIRE(fn != nullptr);
  OpDesc desc = op("map expr=" + name + "(x) x=*");
  auto kernel = library.get(desc, defaultSchedule(desc, library.target()));
  REQUIRE(kernel);
  std::vector<float> x(kBatch), y(kBatch);
  Worst worst;
  for (uint64_t next = 0; next < (uint64_t{1} << 32);) {
    size_t count = 0;
    for (; count < kBatch && next < (uint64_t{1} << 32); next += stride) x[count++] = std::bit_cast<float>(static_cast<uint32_t>(next));
    const int64_t dims[] = {static_cast<int64_t>(count)};
    const Operand operands[] = {{x.data(), {}}, {y.data(), {}}};
    auto call = KernelCall::make(*kernel, dims, operands);
    REQUIRE(call);
    call->run();
    for (size_t i = 0; i < count; ++i) {
      double exact = exactFn(fn->fn, x[i], 0), got = y[i];
      if (static_cast<double>(static_cast<float>(exact)) == got || (std::isnan(exact) && std::isnan(got))) continue;
      double error = std::fabs(got - exact), limit = ownLimit(fn->fn, exact);
      bool overflowed = std::isinf(got) && std::fabs(exact) + limit > 0x1.fffffep127;
      double ratio = overflowed ? 0 : std::isnan(error) || std::isinf(error) ? INFINITY : error / limit;
      if (ratio > worst.overLimit) worst.overLimit = ratio, worst.at = x[i], worst.got = y[i];
    }
  }
  return worst;
}

}  // namespace

TEST_CASE("maths functions keep their bounds") {
  const char* given = std::getenv("QUERN_TEST_STRIDE");
  auto stride = static_cast<uint32_t>(given == nullptr ? 4099 : std::atoi(given));
  for (const Target& target : runnableLevels()) {
    KernelLibrary library(target, {});
    for (const char* name : {"exp", "log", "tanh", "erf", "sigmoid", "rsqrt", "gelu_erf", "gelu_tanh", "gelu_sigmoid", "silu", "relu", "sqrt", "abs", "neg"}) {
      Worst worst = worstOf(library, name, stride);
      std::cout << target.level << " " << name << ": error/limit " << worst.overLimit << " at " << worst.at << "\n";
      INFO(target.level << " " << name << " at " << worst.at << " is " << worst.got);
      CHECK(worst.overLimit <= 1);
    }
  }
}
