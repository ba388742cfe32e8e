// tools/report/Pictures.h — what the report shows, as values, and its pictures. Who fills them: quern/commands/Report.cpp.
#pragma once

#include "tools/report/Svg.h"

#include <cmath>
#include <limits>
#include <string>
#include <vector>

namespace quern {

struct MemoryLevel {
  std::string name;
  double bytes = 0;  ///< its size; 0: memory
  double readGBs = 0, copyGBs = 0;
};

struct MachineFacts {
  std::string cpu, model, level, features;
  double fmaGflops = 0;
  std::vector<MemoryLevel> levels;  ///< nearest first
  std::string unmeasured;           ///< why there are no ceilings; empty: there are
  bool measured() const { return unmeasured.empty() && fmaGflops > 0; }
};

/// What a call took with one kernel.
struct CallBar {
  enum class Of : uint8_t { Default, Tuned, Tried, Peer };
  Of of = Of::Default;
  std::string name;
  Interval ns;
};

/// Bars that may be held against each other; the first is what the others are quoted against.
struct CallGroup {
  std::string note;  ///< at what, where that is not the op's own
  std::vector<CallBar> bars;
};

struct CandidateFacts {
  std::string schedule, outcome;
  double predicted = 0;  ///< of the default's cost
  Interval ratio;        ///< its time over the default's; middle 0: not timed
  bool runs = false;     ///< this is what the op runs with
};

/// A reason and how many it took.
using ReasonCounts = std::vector<std::pair<std::string, std::string>>;

struct RowFacts {
  std::string rows, schedule;
  double speed = 0, regret = 0;  ///< there, time of what runs by default and of the op's main schedule over this one's; 0: not known
};

/// Spearman's coefficients of measured times with what was predicted; NaN: of fewer than three.
struct OrderFacts {
  static constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
  double fitted = kNone;  ///< of each schedule from all others
  double others = kNone;  ///< from other ops alone
  double costs = kNone;   ///< from no measurement
  double repeat = kNone;  ///< times with times measured again
  size_t schedules = 0;   ///< that were timed
};

struct OpFacts {
  std::string op, at, schedule, from, date;
  bool lowConfidence = false;
  double flops = 0, bytes = 0;  ///< one call
  double defaultNs = 0;         ///< one call
  Interval ratio;               ///< time over the default's; middle 0: nothing was timed
  double leastNs = 0;           ///< by the machine's ceilings; 0: not known
  std::vector<CallGroup> calls;
  std::string space, pruned, failed, measured, untried;
  ReasonCounts prunedBy, failedBy;
  std::string bound, cost;
  std::string runnerUp, runnerUpAs;  ///< its schedule, and how it did
  std::vector<CandidateFacts> candidates;
  std::vector<RowFacts> rows;
  OrderFacts order;

  double ns() const { return defaultNs * (ratio.middle > 0 ? ratio.middle : 1); }
  double speed() const { return ratio.middle > 0 ? 1 / ratio.middle : 1; }
  double ceilingPercent() const { return ns() > 0 ? 100 * leastNs / ns() : 0; }
  /// "95.2 GFLOP/s", or "12.3 GB/s" of what has no arithmetic.
  std::string rate() const;
};

/// Ops by flop per byte and GFLOP/s under the machine's ceilings; hollow: the default. Numbers are places in `ops`, from 1.
Svg rooflinePicture(const MachineFacts& machine, const std::vector<OpFacts>& ops);
/// Does it belong there: arithmetic, and a time?
bool onRoofline(const OpFacts& op);

/// Horizontal bars with intervals, each group to its own scale.
Svg callBars(const CallGroup& group);
/// The same of several ops, with their names: a picture for elsewhere.
Svg callBars(std::span<const OpFacts> ops);

/// Of one of them over all ops that have it.
struct OrderSummary {
  double median = 0, worst = 0;
  std::string worstOp;
  size_t ops = 0;
};
OrderSummary summaryOf(const std::vector<OpFacts>& ops, double OrderFacts::* figure);
/// A line for each op, and the median and the worst of all.
std::string orderTable(const std::vector<OpFacts>& ops);

/// Predicted against measured, both of the default's.
Svg candidateCloud(const OpFacts& op);

}  // namespace quern
