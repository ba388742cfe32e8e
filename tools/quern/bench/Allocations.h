// tools/quern/bench/Allocations.h — bytes asked of operator new by this process since it began.
#pragma once

#include <cstdint>

namespace quern {

int64_t allocatedBytes();

}  // namespace quern
