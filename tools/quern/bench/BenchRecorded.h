// tools/quern/bench/BenchRecorded.h — a recorded model's loop as a row of `bench`.
#pragma once

#include "tools/quern/bench/BenchRow.h"
#include "tools/recorded/RecordedLoop.h"

namespace quern {

/// The whole loop, timed. `cached`: a row of its own, decoding with the key/value cache. Once `stop` is asked the row is
/// nobody's. Errors: what compiling or the cache say.
Result<BenchRow> benchRecorded(RecordedLoop& loop, bool cached, const KernelLibrary& library, const Ceilings& ceilings, const Stop& stop);

}  // namespace quern
