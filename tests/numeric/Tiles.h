// tests/numeric/Tiles.h — a processor with matrix units: what the tests of dots=amx share.
#pragma once

#include "compiler/target/HostTarget.h"
#include "tests/Support.h"

#include <cmath>
#include <cstring>

namespace quern {

inline Target tileTarget() { return *parseTarget("tiles level=x86-64-v4 features=amx-bf16,amx-int8,amx-tile"); }
inline bool runsTiles() { return hostTarget().lackingFor(tileTarget()).empty(); }

/// Bits that differ; every NaN is one.
inline int64_t differingNumbers(const float* a, const float* b, size_t count) {
  int64_t wrong = 0;
  for (size_t i = 0; i < count; ++i) wrong += std::memcmp(&a[i], &b[i], 4) != 0 && !(std::isnan(a[i]) && std::isnan(b[i]));
  return wrong;
}

}  // namespace quern
