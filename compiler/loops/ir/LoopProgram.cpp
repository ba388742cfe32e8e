// compiler/loops/ir/LoopProgram.cpp — see LoopProgram.h: the kinds of lanes and buffers, by name and size.
#include "compiler/loops/ir/LoopProgram.h"

#include "compiler/loops/ir/LoopNodes.h"

#include <array>
#include <fmt/format.h>

namespace quern {

std::string_view nameOf(LoopOp op) { return op == LoopOp::None ? "" : nodeOf(op).name; }

namespace {
struct ScalarRow {
  std::string_view name;
  int bytes;
  Scalar loaded;
};
constexpr std::array<ScalarRow, 11> kScalars = {{{"bool", 0, Scalar::Bool},
                                                 {"i8", 1, Scalar::I32},
                                                 {"u8", 1, Scalar::I32},
                                                 {"i16", 2, Scalar::I32},
                                                 {"u16", 2, Scalar::I32},
                                                 {"f16", 2, Scalar::I32},
                                                 {"bf16", 2, Scalar::I32},
                                                 {"i32", 4, Scalar::I32},
                                                 {"i64", 8, Scalar::I64},
                                                 {"f32", 4, Scalar::F32},
                                                 {"f64", 8, Scalar::F64}}};
}  // namespace

std::string_view text(Scalar scalar) { return kScalars[static_cast<size_t>(scalar)].name; }
int bytesOf(Scalar scalar) { return kScalars[static_cast<size_t>(scalar)].bytes; }
bool mayBeReadAs(Scalar held, Scalar stored) {
  return stored == held || held == Scalar::U8 || (bytesOf(held) == 2 && stored == Scalar::I32);
}
Scalar valueOf(Scalar stored) { return kScalars[static_cast<size_t>(stored)].loaded; }

std::optional<Scalar> scalarNamed(std::string_view name) {
  for (size_t i = 0; i < kScalars.size(); ++i)
    if (kScalars[i].name == name) return static_cast<Scalar>(i);
  return std::nullopt;
}

std::string text(LoopType type) {
  return type.lanes == 1 ? std::string(text(type.scalar)) : fmt::format("{}x{}", text(type.scalar), type.lanes);
}

std::string_view text(BufferRole role) {
  constexpr std::array<std::string_view, 6> names = {"in", "out", "inout", "packed", "shared", "thread"};
  return names[static_cast<size_t>(role)];
}

const int64_t* constantInt(const LoopExprRef& expr) {
  bool integer = expr->kind == LoopExpr::Kind::Const && expr->type == LoopType{Scalar::I64, 1};
  return integer ? &expr->integer : nullptr;
}

}  // namespace quern
