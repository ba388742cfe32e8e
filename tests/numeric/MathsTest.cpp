// tests/numeric/MathsTest.cpp — the maths functions against their declared bounds: every 4099th float by default, all 2^32 with
// QUERN_TEST_STRIDE=1 (under --deep).
#include "tests/Support.h"
#include "tuner/Exhaustive.h"

#include <cstdlib>
#include <iostream>

using namespace quern;

TEST_CASE("maths functions keep their bounds") {
  const char* given = std::getenv("QUERN_TEST_STRIDE");
  auto stride = static_cast<uint32_t>(given == nullptr ? 4099 : std::atoi(given));
  for (const Target& target : runnableLevels()) {
    KernelLibrary library(target, {});
    for (const char* name : {"exp", "log", "tanh", "erf", "sigmoid", "rsqrt", "gelu_erf", "gelu_tanh", "gelu_sigmoid", "silu", "relu", "sqrt", "abs", "neg"}) {
      OpDesc desc = op("map expr=" + std::string(name) + "(x) x=*");
      auto report = checkEveryFloat(library, desc, defaultSchedule(desc, target), stride);
      REQUIRE(report);
      std::cout << target.level << " " << name << ": " << report->floats << " floats, error/limit " << report->worst << ", " << report->worstUlp << " ulp, worst at " << report->worstAt << "\n";
      INFO(target.level << " " << name << " at " << report->worstAt << " is " << report->got);
      CHECK(report->floats >= (uint64_t{1} << 32) / stride);
      CHECK(report->worst <= 1);
    }
  }
}

TEST_CASE("what is not a function of one argument is refused") {
  KernelLibrary library(hostTarget(), {});
  OpDesc desc = op("add a=* b=*");
  CHECK_FALSE(checkEveryFloat(library, desc, defaultSchedule(desc, library.target()), 4099));
}
