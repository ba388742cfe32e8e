// tools/quern/bench/BenchRow.h — what `bench` measured of one row, and how it is printed.
#pragma once

#include "tools/quern/cli/Json.h"
#include "tools/report/RecordFile.h"
#include "tuner/measure/Ceilings.h"
#include "tuner/measure/Timing.h"

#include <functional>
#include <optional>

namespace quern {

/// A peer beside us on one row.
struct PeerFigure {
  std::string peer, version;
  std::string path, way;          ///< instruction sets, and the function or primitive chosen for this op
  std::string why;                ///< why there is no ratio; empty: there is
  std::string brief = "-";        ///< that reason as a cell of the table
  Spread ns, ratio;               ///< ratio: its time over ours
  std::vector<AtSpeed> atSpeeds;  ///< as PairTiming's, ours first
  double ceilingPercent = 0;
};

struct BenchRow {
  std::string id, op, cpu, schedule, scheduleFrom, cacheState = "hot";
  int threads = 1;
  Spread warmNs;                  ///< one call (a model: one forward)
  std::vector<AtSpeed> atSpeeds;  ///< where matrix tiles were watched: `a`, or of two `b`, by their speed; warmNs is the first's
  double rate = 0;
  std::string rateUnit;  ///< GFLOPS, GB/s, tokens/s
  double ceilingPercent = 0;
  std::function<double(const Ceilings&)> leastNs;  ///< a call's time at these ceilings; empty: percent is what was measured beside it
  std::optional<double> coldMs, firstMs, scopeMs;
  std::optional<double> tunedSpeedup;  ///< default's time over the schedule's in use
  Columns recordedMs;
  int64_t allocatedBytes = 0;
  std::optional<double> tokensPerS;
  std::string note;
  std::vector<PeerFigure> peers;  ///< in the order of --against
};

/// How a run of rows goes.
struct BenchSettings {
  int threads = 1;
  std::string schedule;  ///< --schedule
  Stop stop;             ///< asked: the row at hand is given up, those before it are the answer
  std::function<void(const std::string& what, size_t done, size_t all)> progress;
};

Json jsonOf(const BenchRow& row);
Json jsonOf(const Ceilings& ceilings);
Columns columnsOf(const Ceilings& ceilings);

/// A table of all rows; recorded columns where any row has them.
std::string tableOf(const std::vector<BenchRow>& rows);

/// The rate that says most of an op: GFLOPS where arithmetic binds, GB/s where data moves; and its least time on the row's threads.
void setRate(BenchRow& row, const OpDesc& op, const Ceilings& ceilings);

/// What the row and its peers reached of these ceilings. Once more for all rows at the end of a run: later ones may have raised them.
void holdAgainst(BenchRow& row, const Ceilings& ceilings);
/// The same, and a row above its ceilings has them measured again and raised, unless `stop` is asked.
void holdAgainstOrRaise(BenchRow& row, Ceilings& ceilings, const Target& target, const Stop& stop);

}  // namespace quern
