// tuner/SearchSpace.h — the schedules worth trying: values from configs/tune, made legal and ordered by a cost model.
#pragma once

#include "compiler/schedule/Schedule.h"

#include <map>

namespace quern {

/// `[space.FAMILY] key = [values]` of one file, by family.
struct SearchSpace {
  std::string file;
  std::map<std::string, std::vector<std::pair<std::string, std::vector<std::string>>>> families;
};

/// Errors   BadInput "file:line:column": unknown family or key, a value that is no number or word of the key.
Result<SearchSpace> readSearchSpace(const std::string& nameOrPath);

struct Candidate {
  Schedule schedule;
  double predicted = 0;  ///< relative cost: smaller is better
};

/// Every legal combination of the space's values for this op, best predicted first; the default schedule always in front.
/// Keys the space does not name keep the default's value.
std::vector<Candidate> candidatesOf(const SearchSpace& space, const OpDesc& op, const DimValues& sample, const Target& target);

/// The values of one key that are legal with everything else as in `schedule`.
std::vector<std::string> legalValues(const SearchSpace& space, const Schedule& schedule, std::string_view key, const OpDesc& op, const Target& target);

}  // namespace quern
