// compiler/schedule/Schedule.h — HOW to compute: a short list of small values that prints and replays.
#pragma once

#include "compiler/schedule/SizeBound.h"
#include "compiler/schedule/AttentionSchedule.h"
#include "compiler/schedule/MapSchedule.h"
#include "compiler/schedule/MatmulSchedule.h"
#include "compiler/schedule/MoveSchedule.h"
#include "compiler/schedule/RowSchedule.h"

#include <algorithm>
#include <variant>

namespace quern {

/// The families: each serves one OpClass (ScheduleFamily.h). A new one is a word here.
using Schedule = std::variant<MatmulSchedule, MapSchedule, RowSchedule, MoveSchedule, AttentionSchedule>;

template <class Op, class... Families>
consteval auto familyFor(const std::variant<Families...>*) {
  constexpr bool kServes[] = {(Families::kClass == Op::kClass)...};
  constexpr size_t kAt = std::find(std::begin(kServes), std::end(kServes), true) - std::begin(kServes);
  return std::variant_alternative_t<kAt, std::variant<Families...>>{};
}
/// The schedules of one op's class.
template <class Op>
using ScheduleFor = decltype(familyFor<Op>(static_cast<const Schedule*>(nullptr)));

/// "mr=8 nr=48 mc=64 ...": every key, in the order of the fields.
std::string text(const Schedule& schedule);

/// Parses keys over the default schedule of op on target (keys not given keep the default's value), then validates.
/// Errors   BadCommand: unknown key or value, or illegal for this op and target (with the nearest legal values).
Result<Schedule> parseSchedule(std::string_view text, const OpDesc& op, const Target& target);

/// Always legal: candidate 0.
Schedule defaultSchedule(const OpDesc& op, const Target& target);

/// A schedule for calls up to a size.
struct SizeClass {
  SizeBound most;
  Schedule schedule;
};
/// The run-time dimensions of `op` that size classes go by. Rows: "m" of matmul m=* const=b, where one weight meets any number of rows; "q"
/// of attention q=*, where one cache does. Keys: "kv" of attention kv=*.
SizeDims sizeDimsOf(const OpDesc& op);
/// The first of the classes that covers a call of this op with these dimensions (those it does not name count as 0); null: none does.
const SizeClass* classFor(const std::vector<SizeClass>& classes, const OpDesc& op, const DimValues& dims);
/// Can both run one weight or cache: the same packed copy, the same numeric order, the same bits?
bool sharesWeight(const Schedule& a, const Schedule& b);
/// `base` with its panel spelled out and the least blocks: what a schedule for few rows is made from.
Schedule forFewRows(const Schedule& base, const OpDesc& op, const Target& target);
/// Schedules for small calls that share the weight with `base`, in their order; beyond them `base` runs. Empty where sizeDimsOf is.
std::vector<SizeClass> defaultSizeClasses(const OpDesc& op, const Schedule& base, const Target& target);

/// Errors   Infeasible with the reason.
Result<void> validate(const Schedule& schedule, const OpDesc& op, const Target& target);

/// "matmul", "map", "row", "move", "attention": the table name of a search space.
std::string_view familyName(OpClass cls);

/// A key as people see it.
struct ScheduleKeyInfo {
  std::string key, value, meaning;
  std::vector<std::string> words;  ///< empty: a whole number
};
std::vector<ScheduleKeyInfo> keysOf(const Schedule& schedule);

/// Makes what was not `given` fit what was: blocks become multiples of the tile.
void complete(Schedule& schedule, const std::vector<std::string>& given);

/// What the kernel may use: the target's level, and the features that the schedule asks for.
Contract contractOf(const Schedule& schedule, const OpDesc& op, const Target& target);

/// All dimensions of `op` known.
ScheduleCost costOf(const Schedule& schedule, const OpDesc& op, const Target& target);
/// False where setting `key` has already made the schedule impossible whatever the later keys become.
bool mayBecomeLegal(const Schedule& schedule, std::string_view key, const Target& target);
/// Can threads share it as they share `base`?
bool enoughTasks(const Schedule& schedule, const Schedule& base, const OpDesc& op);
/// What makes candidates differ most; candidates of different kinds are tried first.
std::string kindOf(const Schedule& schedule);
/// Cuts blocks to what the op's sizes can use, so that different texts mean different kernels.
void fitToOp(Schedule& schedule, const OpDesc& op);

/// The value of the numeric key `order`: what bits a kernel gives. "seq" where the family has none.
std::string orderOf(const Schedule& schedule);

/// `schedule` with one key changed; false where the family has no such key or word.
bool setKey(Schedule& schedule, std::string_view key, std::string_view value);

}  // namespace quern
