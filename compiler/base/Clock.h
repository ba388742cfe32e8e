// compiler/base/Clock.h — the clock that everything is timed by.
#pragma once

#include <chrono>

namespace quern {

/// Seconds on a clock that only goes forward.
inline double nowSeconds() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

}  // namespace quern
