// compiler/schedule/ScheduleFamily.h — what every family of schedules says of itself; here what most of them say alike.
#pragma once

#include "compiler/base/Result.h"
#include "compiler/op/OpDesc.h"
#include "compiler/schedule/ScheduleCost.h"
#include "compiler/schedule/ScheduleField.h"
#include "compiler/schedule/SizeBound.h"
#include "compiler/target/Contract.h"

#include <span>
#include <utility>

namespace quern {

/// A family is a pair of files: struct S : ScheduleFamily<S> with its keys as members and
///
///   kClass, kName                                the ops it serves; the name of its search space
///   fields()                                     keys, meanings, words
///   byDefault(op, target)                        always legal
///   validate(op, target)                         Infeasible with the nearest legal values
///   cost(op, target)                             all dimensions of op known (ScheduleCost.h)
///
/// and whatever of the functions below it says otherwise. Schedule.h asks them of whichever family a schedule is of.
template <class S>
struct ScheduleFamily {
  /// Makes what was not `given` fit what was: blocks become multiples of the tile.
  void complete(const std::vector<std::string>& /*given*/) {}
  /// Cuts blocks to what the op's sizes can use, so that different texts mean different kernels.
  void fitTo(const OpDesc& /*op*/) {}
  /// False where setting `key` has already made the schedule impossible whatever the later keys become.
  bool mayBecomeLegal(std::string_view /*key*/, const Target& /*target*/) const { return true; }
  /// What makes candidates differ most: one of each kind is tried first. Empty: each is a kind.
  std::string kind() const { return ""; }
  /// Can threads share it as they share `base`?
  bool enoughTasks(const S& /*base*/, const OpDesc& /*op*/) const { return true; }

  /// Features beside the target's level that the code will use, sorted: the contract's.
  std::vector<std::string> needs(const OpDesc& /*op*/) const { return {}; }

  // Size classes (Schedule.h).
  static SizeDims sizeDims(const OpDesc& /*op*/) { return {}; }
  bool sharesWeight(const S& /*other*/) const { return false; }
  S forFewRows(const OpDesc& /*op*/, const Target& /*target*/) const { return static_cast<const S&>(*this); }
  std::vector<std::pair<SizeBound, S>> sizeClasses(const OpDesc& /*op*/, const Target& /*target*/) const { return {}; }

  bool operator==(const ScheduleFamily&) const = default;
};

/// What dots=bf16 needs.
inline constexpr std::string_view kPairsFeature = "avx512bf16";
/// What dots=amx needs: products of pairs, of bytes.
inline constexpr std::string_view kTilesOfPairs[] = {"amx-bf16", "amx-tile"}, kTilesOfBytes[] = {"amx-int8", "amx-tile"};
inline constexpr int64_t kTileRows = 16;  ///< rows, and columns, of a matrix tile of sums
/// Beside its level.
bool hasFeature(const Target& target, std::string_view feature);
bool hasAll(const Target& target, std::span<const std::string_view> features);

inline constexpr int64_t kMaxTask = int64_t{1} << 40;  ///< elements or rows of one task

/// `stream`, a key of those that write what they do not read: elements of an output from which on it goes past the caches. 0 where no
/// output of the op reaches it.
inline constexpr std::string_view kStreamMeaning = "elements of an output from which on whole vectors of it go past the caches; 0: never";
int64_t streamFor(int64_t stream, const OpDesc& op);

/// Elements that the op says it takes in a row, else of the last axis of the largest input; a guess where they are known only at call time.
int64_t rowLength(const OpDesc& op);
/// Rows such that a task moves about 16 Ki elements: some microseconds, long beside handing it out.
int64_t rowsPerTask(const OpDesc& op);

}  // namespace quern
