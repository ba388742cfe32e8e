// tuner/SearchSpace.h — the schedules worth trying: values from configs/tune, made legal and ordered by a cost model.
#pragma once

#include "compiler/base/Stop.h"
#include "compiler/base/Toml.h"
#include "compiler/schedule/Schedule.h"

#include <map>
#include <set>

namespace quern {

/// Values of the keys of one family of schedules, in the file's order.
using KeyChoices = std::vector<std::pair<std::string, std::vector<std::string>>>;

/// One file of configs/tune: by family, `[space.FAMILY] key = [values]`, all combinations; `[neighbours.FAMILY]`, one key at
/// a time around the best of them; `[narrow.FAMILY]`, all combinations for small calls.
struct SearchSpace {
  std::string file;
  std::map<std::string, KeyChoices> families, neighbours, narrow;
};

/// Errors   BadInput "file:line:column": unknown family or key, a value that is no number or word of the key.
Result<SearchSpace> parseSearchSpace(const TomlValue& root, const std::string& file);
Result<SearchSpace> readSearchSpace(const std::string& nameOrPath);

struct Candidate {
  Schedule schedule;
  ScheduleCost cost;
  double predicted = 0;   ///< its time over the default's, by all that is known; 0: by its cost alone
  bool foremost = false;  ///< tried before those that are only predicted
  size_t place = 0;       ///< in the canonical order
};

/// How many combinations a space has for an op, legal or not: in decimal, for there may be more than any integer holds.
struct SpaceSize {
  std::string combinations;
  size_t most = 0;  ///< looked at
  bool all = true;  ///< all are few enough; else a fixed sample of the legal ones is what there is
};
SpaceSize sizeOf(const SearchSpace& space, const OpDesc& op);

/// What becomes of a space's combinations for one op: each is pruned by a rule, or a schedule of its own, or never enumerated.
struct SpaceAccount {
  std::string combinations;  ///< of the space's values, legal or not: in decimal
  /// How many each rule took: why no kernel has them, with N for numbers; "the same schedule as another combination"; and so on.
  std::map<std::string, int64_t> pruned;
  std::string neverEnumerated;  ///< in decimal: those outside the fixed sample of a space that is too large
  /// The default schedule in front, then the best predicted of each kind (kindOf), then the others, best first.
  std::vector<Candidate> candidates;
};
/// A message as a rule: numbers are N, and hints on what would be right are left out.
std::string ruleOf(const std::string& message);
/// Keys the space does not name keep the default's value. Once `stop` is asked, what was found so far.
SpaceAccount accountOf(const SearchSpace& space, const OpDesc& op, const DimValues& sample, const Target& target, const Stop& stop = {});
/// Its candidates.
std::vector<Candidate> candidatesOf(const SearchSpace& space, const OpDesc& op, const DimValues& sample, const Target& target,
                                    const Stop& stop = {});

/// Why the first combination is illegal, for a space of whose combinations none is legal; empty where it is legal.
std::string whyNoneIsLegal(const SearchSpace& space, const OpDesc& op, const Target& target);

/// `best` with one key at another of its values, in the neighbours' order; without those in `seen` (schedule texts).
std::vector<Candidate> neighboursOf(const SearchSpace& space, const Schedule& best, const OpDesc& op, const DimValues& sample,
                                    const Target& target, const std::set<std::string>& seen, const Stop& stop = {});

/// Schedules for small calls of `op`, at `sample`, that share the weight with `base`: best predicted first.
std::vector<Candidate> narrowCandidatesOf(const SearchSpace& space, const Schedule& base, const OpDesc& op, const DimValues& sample,
                                          const Target& target, const Stop& stop = {});

/// The values of one key that are legal with everything else as in `schedule`.
std::vector<std::string> legalValues(const SearchSpace& space, const Schedule& schedule, std::string_view key, const OpDesc& op,
                                     const Target& target);

}  // namespace quern
