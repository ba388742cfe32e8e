// compiler/schedule/Schedule.cpp — see Schedule.h.
#include "compiler/schedule/Schedule.h"

#include "compiler/base/Check.h"
#include "compiler/base/Text.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>

namespace quern {

template <class S>
static std::string valueText(const S& schedule, const ScheduleField<S>& field) {
  int64_t value = schedule.*field.member;
  return field.words.empty() ? std::to_string(value) : std::string(field.words[static_cast<size_t>(value)]);
}

std::vector<ScheduleKeyInfo> keysOf(const Schedule& schedule) {
  return std::visit(
      []<class S>(const S& s) {
        std::vector<ScheduleKeyInfo> keys;
        for (const ScheduleField<S>& field : S::fields())
          keys.push_back(
              {std::string(field.key), valueText(s, field), std::string(field.meaning), {field.words.begin(), field.words.end()}});
        return keys;
      },
      schedule);
}

std::string orderOf(const Schedule& schedule) {
  for (const ScheduleKeyInfo& key : keysOf(schedule))
    if (key.key == "order") return key.value;
  return "seq";
}

std::string text(const Schedule& schedule) {
  std::string out;
  for (const ScheduleKeyInfo& key : keysOf(schedule)) out += fmt::format("{}{}={}", out.empty() ? "" : " ", key.key, key.value);
  return out;
}

template <class S>
static bool setField(S& schedule, const ScheduleField<S>& field, std::string_view value) {
  if (field.words.empty()) {
    auto number = parseInt(value);
    if (number) schedule.*field.member = *number;
    return number.has_value();
  }
  auto found = std::find(field.words.begin(), field.words.end(), value);
  if (found == field.words.end()) return false;
  schedule.*field.member = found - field.words.begin();
  return true;
}

bool setKey(Schedule& schedule, std::string_view key, std::string_view value) {
  return std::visit(
      [&]<class S>(S& s) {
        for (const ScheduleField<S>& field : S::fields())
          if (field.key == key) return setField(s, field, value);
        return false;
      },
      schedule);
}

void complete(Schedule& schedule, const std::vector<std::string>& given) {
  if (auto* matmul = std::get_if<MatmulSchedule>(&schedule)) matmul->complete(given);
}

Result<Schedule> parseSchedule(std::string_view given, const OpDesc& op, const Target& target) {
  std::string subject = fmt::format("{} schedule", familyName(classOf(op)));
  auto keys = parseKeyValues(given, subject, false);
  if (!keys) return keys.error();
  Schedule schedule = defaultSchedule(op, target);
  std::vector<std::string> known, set;
  for (const ScheduleKeyInfo& info : keysOf(schedule)) known.push_back(info.key);
  for (const auto& [key, value] : keys->pairs) {
    if (std::find(known.begin(), known.end(), key) == known.end())
      return badCommand(fmt::format("{}: unknown key '{}'{}; keys: {}", subject, escaped(key), didYouMean(key, known), join(known, " ")));
    set.push_back(key);
    if (setKey(schedule, key, value)) continue;
    std::string legal = "a whole number";
    for (const ScheduleKeyInfo& info : keysOf(schedule))
      if (info.key == key && !info.words.empty()) legal = join(info.words, ", ");
    return badCommand(fmt::format("{}: {}={} is no value of {}; legal: {}", subject, key, escaped(value), key, legal));
  }
  complete(schedule, set);
  auto good = validate(schedule, op, target);
  if (!good) return badCommand(good.error().message);
  return schedule;
}

Schedule defaultSchedule(const OpDesc& op, const Target& target) {
  switch (classOf(op)) {
    case OpClass::Contraction: return MatmulSchedule::byDefault(std::get<MatmulOp>(op), target);
    case OpClass::Pointwise: return MapSchedule::byDefault(op, target);
    case OpClass::RowWise: return RowSchedule::byDefault(op, target);
    case OpClass::Movement: return MoveSchedule::byDefault(op, target);
    case OpClass::Attention: return AttentionSchedule::byDefault(op, target);
  }
  QUERN_CHECK(false);
  return {};
}

std::string rowDimOf(const OpDesc& op) {
  if (const auto* attention = std::get_if<AttentionOp>(&op)) return attention->q.any() ? "q" : "";
  const auto* matmul = std::get_if<MatmulOp>(&op);
  return matmul != nullptr && matmul->constB && matmul->m.any() && !matmul->ta ? "m" : "";
}

Schedule forFewRows(const Schedule& base) {
  if (const auto* attention = std::get_if<AttentionSchedule>(&base)) return attention->forFewRows();
  MatmulSchedule few = std::get<MatmulSchedule>(base);
  few.panel = few.panelWidth();
  few.nc = 1;  // a task for each group of columns
  few.convert = MatmulSchedule::ConvertRegisters;
  return few;
}

bool sharesWeight(const Schedule& a, const Schedule& b) {
  if (a.index() == b.index() && std::holds_alternative<AttentionSchedule>(a)) return true;
  const auto* x = std::get_if<MatmulSchedule>(&a);
  const auto* y = std::get_if<MatmulSchedule>(&b);
  return x != nullptr && y != nullptr && x->panelWidth() == y->panelWidth() && x->order == y->order;
}

struct NarrowTile {
  int64_t rows, columns;
};

/// Tiles for few rows, the best first. A few rows of one panel are too few chains to hide the latency of an fma: several panels at a time.
/// A weight that is made f32 on the way takes one panel too, or a part of it: the wide kernel's way over scratch is never better.
static std::vector<NarrowTile> narrowTiles(const MatmulSchedule& wide, const MatmulOp& op) {
  int64_t panel = wide.panelWidth();
  std::vector<NarrowTile> tiles;
  if (op.w == ElementType::F32) {
    for (int64_t rows : {2, 1})
      for (int64_t panels = 4; panels > 1; --panels) tiles.push_back({rows, panels * panel});
    return tiles;
  }
  for (int64_t panels = 4; panels > 1; --panels)
    for (int64_t rows : {2, 1}) tiles.push_back({rows, panels * panel});
  for (int64_t vectors = panel / wide.lanes; vectors >= 1; --vectors)
    for (int64_t rows : {2, 1})
      if (panel % (vectors * wide.lanes) == 0) tiles.push_back({rows, vectors * wide.lanes});
  return tiles;
}

std::vector<RowClass> defaultRowClasses(const OpDesc& op, const Schedule& base, const Target& target) {
  if (rowDimOf(op).empty()) return {};
  if (const auto* attention = std::get_if<AttentionOp>(&op)) {
    Schedule few = std::get<AttentionSchedule>(base).forFewRows();
    int64_t group = attention->heads.value / attention->kvHeads.value;
    return validate(few, op, target) ? std::vector<RowClass>{{std::max<int64_t>(1, AttentionSchedule::kFewRows / group), few}}
                                     : std::vector<RowClass>{};
  }
  const auto& wide = std::get<MatmulSchedule>(base);
  if (wide.chains() > 1) return {};
  const auto& matmul = std::get<MatmulOp>(op);
  for (const NarrowTile& tile : narrowTiles(wide, matmul)) {
    MatmulSchedule narrow = std::get<MatmulSchedule>(forFewRows(base));
    narrow.mr = tile.rows;
    narrow.mc = 32 * tile.rows;
    narrow.nr = narrow.nc = tile.columns;
    narrow.unrollK = matmul.w == ElementType::F32 ? 1 : 4;
    narrow.convert = MatmulSchedule::ConvertRegisters;
    narrow.prefetch = MatmulSchedule::prefetchFor(matmul.w);
    if (validate(narrow, op, target)) return {{tile.rows, narrow}};
  }
  return {};
}

Result<void> validate(const Schedule& schedule, const OpDesc& op, const Target& target) {
  QUERN_CHECK_FOR(schedule.index() == static_cast<size_t>(classOf(op)), text(op));
  if (const auto* matmul = std::get_if<MatmulSchedule>(&schedule)) return matmul->validate(std::get<MatmulOp>(op), target);
  return std::visit(
      [&]<class S>(const S& s) -> Result<void> {
        if constexpr (std::is_same_v<S, MatmulSchedule>) return {};
        else return s.validate(op, target);
      },
      schedule);
}

std::string_view familyName(OpClass cls) {
  constexpr std::array<std::string_view, 5> names = {"matmul", "map", "row", "move", "attention"};
  return names[static_cast<size_t>(cls)];
}

}  // namespace quern
