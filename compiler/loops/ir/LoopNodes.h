// compiler/loops/ir/LoopNodes.h — the rows of LoopNodeList.h as data, and finding them.
#pragma once

#include "compiler/loops/ir/LoopProgram.h"

#include <span>
#include <string>
#include <string_view>

namespace quern {

struct IsaLevel;

enum class Notation : uint8_t {
  Infix,    ///< (a + b)
  Call,     ///< fma(a, b, c)
  Lanes,    ///< broadcast16(a): the result's lanes
  Pattern,  ///< shuffle(a, b; 0 2 4)
  Table,    ///< lookup(a; 1f, 2.5f)
  Maths,    ///< exp(a): gone after ExpandMaths
};

/// Sets the type that `e` has by its arguments (and, of Lanes, by its lanes). "", or why there is no such node, without naming it.
using TypeRule = std::string (*)(const LoopExpr& e, LoopType& type);

struct LoopNode {
  LoopOp op;
  std::string_view name;
  int arity;
  Notation notation;
  TypeRule type;
  bool IsaLevel::* needs = nullptr;  ///< what a level must have, and
  std::string_view needed = {};      ///< its name
};

/// In LoopOp's order.
std::span<const LoopNode> loopNodes();
const LoopNode& nodeOf(LoopOp op);

/// A maths call, which ExpandMaths takes apart.
bool isMaths(const LoopExpr& e);

/// The node written with this sign between two values; null: none is.
const LoopNode* findInfix(std::string_view sign);
/// The node written as this function, of which `lanes` is set where its name ends in them; null: none is.
const LoopNode* findFunction(std::string_view name, int& lanes);

/// Must it stand in a flushed block? The instruction for pairs of bf16 takes small numbers for 0 in any state.
bool needsFlushed(const LoopExpr& e, const Contract& contract);

}  // namespace quern
