// tuner/SizeTable.h — what an op runs with for small calls: one decision for each size that is looked at.
#pragma once

#include "tuner/OpContest.h"

namespace quern {

/// To be recorded behind the winner for all sizes.
struct SizeTable {
  std::vector<TuningRecord> records;
  std::vector<std::pair<Schedule, Certificate>> verified;
  std::vector<OpContest::Closing> closings;
  bool finished = true;
};

/// The sizes below the item's sample at which an op with size classes is tuned; each decides for the calls above the one before. Weights of
/// a matmul: few rows. Attention: one row, as in decode, and as many as the sample has, each with few keys, more and many.
std::vector<std::pair<SizeBound, DimValues>> tunedSizes(const WorkloadItem& item);

/// Drops decisions, in the order of their bounds, without which every call runs what it runs with them. `base`: of calls that none decides
/// for. `someNeeded`: one stays, for none at all would mean the defaults.
void leaveOutRepeats(std::vector<TuningRecord>& records, const std::string& base, bool someNeeded);

/// For an op with size classes, after its own contest: at each size what would run by default meets what may be faster there, the winner
/// for all sizes (`base`) and those of neighbouring sizes among it. Decisions that say what the table says without them are left out.
/// Cut short, there is no table: some sizes alone would say that the others run the winner, and their defaults are better.
/// Errors   as OpContest::runSmall.
Result<SizeTable> tuneSizes(const OpContest::Tools& tools, const SearchSpace& space, const WorkloadItem& item, const Schedule& base,
                            const TuneOptions& options, const TuneTimes& times, const TuneProgress& progress);

}  // namespace quern
