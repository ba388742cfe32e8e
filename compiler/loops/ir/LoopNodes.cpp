// compiler/loops/ir/LoopNodes.cpp — see LoopNodes.h. What each takes and gives; the list is LoopNodeList.h.
#include "compiler/loops/ir/LoopNodes.h"

#include "compiler/Activations.h"
#include "compiler/base/Check.h"
#include "compiler/base/Text.h"
#include "compiler/target/Target.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>

namespace quern {

namespace {

std::string mixed(const LoopExpr& e, size_t from) {
  for (size_t i = from + 1; i < e.args.size(); ++i)
    if (e.args[i]->type != e.args[from]->type) return fmt::format("mixes {} and {}", text(e.args[from]->type), text(e.args[i]->type));
  return "";
}
bool isFloat(LoopType type) { return type.scalar == Scalar::F32 || type.scalar == Scalar::F64; }
bool isWhole(LoopType type) { return type.scalar == Scalar::I32 || type.scalar == Scalar::I64; }
std::string unless(bool good, std::string_view why) { return good ? "" : std::string(why); }

/// All arguments of one type, which the result has.
std::string alike(const LoopExpr& e, LoopType& type) {
  type = e.args[0]->type;
  return mixed(e, 0);
}

std::string floats(const LoopExpr& e, LoopType& type) {
  if (std::string why = alike(e, type); !why.empty()) return why;
  return unless(isFloat(type), "f32 or f64 is needed");
}

std::string mathsCall(const LoopExpr& e, LoopType& type) {
  type = e.args[0]->type;
  return "a maths call that was not expanded";
}

/// + - * max min
std::string arithmetic(const LoopExpr& e, LoopType& type) {
  if (std::string why = alike(e, type); !why.empty()) return why;
  if (type.scalar == Scalar::Bool) return "masks know & and | only";
  return isFloat(type) || isWhole(type) ? "" : fmt::format("{} has no arithmetic", text(type.scalar));
}

/// / and, `whole`, %
std::string division(const LoopExpr& e, LoopType& type, bool whole) {
  if (std::string why = arithmetic(e, type); !why.empty()) return why;
  if (isFloat(type)) return whole ? fmt::format("an integer operator on {}", text(type.scalar)) : "";
  if (type.scalar != Scalar::I64) return fmt::format("{} has no division", text(type.scalar));
  const int64_t* by = constantInt(e.args[1]);  // by 0: in the body of tasks of which there are none
  return unless(by == nullptr || *by >= 0, "a divisor of 0 or more is needed");
}
std::string quotient(const LoopExpr& e, LoopType& type) { return division(e, type, false); }
std::string remainder(const LoopExpr& e, LoopType& type) { return division(e, type, true); }

std::string bits(const LoopExpr& e, LoopType& type) {
  if (std::string why = alike(e, type); !why.empty()) return why;
  bool good = isWhole(type) || type.scalar == Scalar::Bool;
  return good ? "" : fmt::format("an integer operator on {}", text(type.scalar));
}
std::string bitsOnly(const LoopExpr& e, LoopType& type) {
  if (std::string why = bits(e, type); !why.empty()) return why;
  return unless(type.scalar != Scalar::Bool, "masks know & and | only");
}
std::string shift(const LoopExpr& e, LoopType& type) {
  if (std::string why = bitsOnly(e, type); !why.empty()) return why;
  const LoopExpr& by = *e.args[1];
  int64_t width = type.scalar == Scalar::I64 ? 64 : 32;
  bool good = by.kind == LoopExpr::Kind::Const && by.integer >= 0 && by.integer < width;
  return good ? "" : fmt::format("a constant shift of 0 to {} is needed", width - 1);
}

std::string comparison(const LoopExpr& e, LoopType& type) {
  if (std::string why = arithmetic(e, type); !why.empty()) return why;
  type.scalar = Scalar::Bool;
  return "";
}

std::string cast(const LoopExpr& e, LoopType& type, Scalar to, std::initializer_list<Scalar> from) {
  LoopType given = e.args[0]->type;
  type = {to, given.lanes};
  for (Scalar each : from)
    if (given.scalar == each) return "";
  return fmt::format("cannot be made from {}", text(given));
}
std::string toFloat(const LoopExpr& e, LoopType& type) {
  return cast(e, type, Scalar::F32, {Scalar::I32, Scalar::I64, Scalar::F64, Scalar::BF16});
}
std::string toDouble(const LoopExpr& e, LoopType& type) { return cast(e, type, Scalar::F64, {Scalar::I32, Scalar::I64, Scalar::F32}); }
std::string toWord(const LoopExpr& e, LoopType& type) {
  return cast(e, type, Scalar::I32, {Scalar::I8, Scalar::U8, Scalar::I16, Scalar::U16, Scalar::I64});
}
std::string toIndex(const LoopExpr& e, LoopType& type) { return cast(e, type, Scalar::I64, {Scalar::I32}); }
std::string truncWord(const LoopExpr& e, LoopType& type) { return cast(e, type, Scalar::I32, {Scalar::F32, Scalar::F64}); }
std::string truncIndex(const LoopExpr& e, LoopType& type) { return cast(e, type, Scalar::I64, {Scalar::F32, Scalar::F64}); }
std::string bitsToFloat(const LoopExpr& e, LoopType& type) { return cast(e, type, Scalar::F32, {Scalar::I32}); }
std::string halfToFloat(const LoopExpr& e, LoopType& type) { return cast(e, type, Scalar::F32, {Scalar::I32, Scalar::F16}); }
std::string floatToWord(const LoopExpr& e, LoopType& type) { return cast(e, type, Scalar::I32, {Scalar::F32}); }

std::string choice(const LoopExpr& e, LoopType& type) {
  LoopType condition = e.args[0]->type;
  type = e.args[1]->type;
  if (std::string why = mixed(e, 1); !why.empty()) return why;
  return unless(condition == LoopType{Scalar::Bool, type.lanes}, "the condition needs as many lanes as the values");
}

std::string everyLane(const LoopExpr& e, LoopType& type) {
  type.scalar = e.args[0]->type.scalar;
  return unless(e.args[0]->type.lanes == 1, "a scalar is needed");
}

std::string lanesBelow(const LoopExpr& e, LoopType& type) {
  type.scalar = Scalar::Bool;
  return unless(e.args[0]->type == LoopType{Scalar::I64, 1}, "an i64 count is needed");
}

std::string folded(const LoopExpr& e, LoopType& type) {
  int lanes = e.args[0]->type.lanes;
  type = {e.args[0]->type.scalar, 1};
  return unless(type.scalar == Scalar::F32 && (lanes & (lanes - 1)) == 0, "f32 with a power of two of lanes is needed");
}

std::string shuffled(const LoopExpr& e, LoopType& type) {
  int lanes = e.args[0]->type.lanes;
  type = {e.args[0]->type.scalar, static_cast<int>(e.pattern.size())};
  if (std::string why = mixed(e, 0); !why.empty()) return why;
  if (e.pattern.empty() || type.lanes > kMaxLanes) return fmt::format("1 to {} lanes are needed", kMaxLanes);
  for (int lane : e.pattern)
    if (lane < 0 || lane >= 2 * lanes) return fmt::format("lane {} of {}", lane, 2 * lanes);
  return "";
}

/// i32 lanes, and four neighbouring bytes for each: the first signed or not, the second signed.
std::string bytesDotted(const LoopExpr& e, LoopType& type) {
  LoopType a = e.args[1]->type, b = e.args[2]->type;
  type = e.args[0]->type;
  if (type.scalar != Scalar::I32) return "i32 sums are needed";
  if (a.lanes != 4 * type.lanes || b.lanes != a.lanes) return fmt::format("four lanes for each of {} sums are needed", type.lanes);
  return unless((a.scalar == Scalar::I8 || a.scalar == Scalar::U8) && b.scalar == Scalar::I8, "i8 or u8, and i8 are needed");
}

/// Four neighbouring bytes, without and with a sign, for each i32.
std::string dotsInHalves(const LoopExpr& e, LoopType& type) {
  LoopType a = e.args[0]->type, b = e.args[1]->type;
  type = {Scalar::I32, a.lanes / 4};
  bool good = a.scalar == Scalar::U8 && b.scalar == Scalar::I8 && a.lanes == b.lanes && a.lanes % 4 == 0;
  return unless(good, "u8 and i8 in as many lanes, four for each sum, are needed");
}
std::string halves(const LoopExpr& e, LoopType& type) {
  if (std::string why = alike(e, type); !why.empty()) return why;
  return unless(type.scalar == Scalar::I32, "i32 is needed");
}

std::string wordsApart(const LoopExpr& e, LoopType& type, Scalar byte) {
  LoopType words = e.args[0]->type;
  type = {byte, 4 * words.lanes};
  return unless(words.scalar == Scalar::I32 && type.lanes <= kMaxLanes, fmt::format("at most {} lanes of i32 are needed", kMaxLanes / 4));
}
std::string plainBytes(const LoopExpr& e, LoopType& type) { return wordsApart(e, type, Scalar::U8); }
std::string signedBytes(const LoopExpr& e, LoopType& type) { return wordsApart(e, type, Scalar::I8); }

std::string flushedFloats(const LoopExpr& e, LoopType& type) {
  if (std::string why = alike(e, type); !why.empty()) return why;
  return unless(type.scalar == Scalar::F32, "f32 is needed");
}

/// f32 lanes, and an i32 with two bf16 for each.
std::string pairsDotted(const LoopExpr& e, LoopType& type) {
  type = e.args[0]->type;
  LoopType pairs{Scalar::I32, type.lanes};
  bool good = type.scalar == Scalar::F32 && e.args[1]->type == pairs && e.args[2]->type == pairs;
  return unless(good, "f32, and i32 of as many lanes, are needed");
}

std::string looked(const LoopExpr& e, LoopType& type) {
  type = {Scalar::F32, e.args[0]->type.lanes};
  if (e.args[0]->type.scalar != Scalar::I32) return "an i32 index is needed";
  bool good = e.table.size() == 16 || e.table.size() == 32;
  return good ? "" : fmt::format("{} entries; 16 or 32 are needed", e.table.size());
}

std::string lookedBytes(const LoopExpr& e, LoopType& type) {
  type = e.args[0]->type;
  if (type.scalar != Scalar::I32) return "i32 is needed";
  bool bytes = std::all_of(e.table.begin(), e.table.end(), [](float x) { return x >= -128 && x <= 255 && x == std::floor(x); });
  return unless(bytes && e.table.size() == 16, "16 whole numbers of -128 to 255 are needed");
}

constexpr LoopNode kNodes[] = {
#define QUERN_NODE(Name, written, arity, notation, rule, needs, needed) \
  LoopNode{LoopOp::Name, written, arity, Notation::notation, rule, needs, needed},
    QUERN_LOOP_NODES(QUERN_NODE)
#undef QUERN_NODE
#define QUERN_NODE(Name) LoopNode{LoopOp::Name, maths::Name::kInfo.name, 1, Notation::Maths, mathsCall},
        QUERN_ACTIVATIONS(QUERN_NODE)
#undef QUERN_NODE
};

constexpr bool inOrder() {
  for (size_t i = 0; i < std::size(kNodes); ++i)
    if (static_cast<size_t>(kNodes[i].op) != i + 1) return false;  // LoopOp::None is 0
  return true;
}
static_assert(inOrder());

}  // namespace

std::span<const LoopNode> loopNodes() { return kNodes; }

const LoopNode& nodeOf(LoopOp op) {
  QUERN_CHECK(op != LoopOp::None);
  return kNodes[static_cast<size_t>(op) - 1];
}

bool isMaths(const LoopExpr& e) { return e.kind == LoopExpr::Kind::Op && nodeOf(e.op).notation == Notation::Maths; }

const LoopNode* findInfix(std::string_view sign) {
  for (const LoopNode& node : kNodes)
    if (node.notation == Notation::Infix && node.name == sign) return &node;
  return nullptr;
}

const LoopNode* findFunction(std::string_view name, int& lanes) {
  for (const LoopNode& node : kNodes) {
    if (node.notation == Notation::Infix || !name.starts_with(node.name)) continue;
    if (node.notation != Notation::Lanes) {
      if (name == node.name) return &node;
      continue;
    }
    auto count = parseInt(name.substr(node.name.size()));
    if (!count || *count < 1 || *count > kMaxLanes) continue;
    lanes = static_cast<int>(*count);
    return &node;
  }
  return nullptr;
}

bool needsFlushed(const LoopExpr& e, const Contract& contract) {
  const LoopNode& node = nodeOf(e.op);
  return node.type == flushedFloats || (node.type == pairsDotted && !contract.has("avx512bf16"));
}

}  // namespace quern
