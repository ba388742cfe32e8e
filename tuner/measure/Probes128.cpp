// tuner/measure/Probes128.cpp — a Probe in vectors of 16 bytes, which every CPU has.
#include "tuner/measure/ProbeLoops.h"

namespace quern {

#if defined(__x86_64__)
static constexpr int kChains = 12;  // of 16 registers; a step is a product and a sum, 6 to 8 cycles
#else
static constexpr int kChains = 16;
#endif

Probe probe128() { return probeIn<16, kChains>(); }

}  // namespace quern
