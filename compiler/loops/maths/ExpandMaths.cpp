// compiler/loops/maths/ExpandMaths.cpp — see ExpandMaths.h.
#include "compiler/loops/maths/ExpandMaths.h"

#include "compiler/loops/ir/LoopNodes.h"
#include "compiler/loops/maths/MathFunctions.h"

#include <fmt/format.h>
#include <utility>

namespace quern {

namespace {

class Expander {
public:
  Expander(LoopProgram& program, bool fma, bool lookups) : program_(program), fma_(fma), lookups_(lookups) {}

  std::vector<LoopStmt> block(std::vector<LoopStmt> stmts) {
    std::vector<LoopStmt> out;
    for (LoopStmt& stmt : stmts) {
      std::vector<LoopStmt>* outer = std::exchange(out_, &out);
      for (LoopExprRef& arg : stmt.args) arg = expr(arg);
      out_ = outer;
      stmt.body = block(std::move(stmt.body));
      stmt.otherwise = block(std::move(stmt.otherwise));
      out.push_back(std::move(stmt));
    }
    return out;
  }

private:
  LoopExprRef expr(const LoopExprRef& ref) {
    LoopExpr copy = *ref;
    bool changed = false;
    for (LoopExprRef& arg : copy.args) {
      LoopExprRef now = expr(arg);
      changed |= now != arg;
      arg = std::move(now);
    }
    if (isMaths(copy)) {
      MathFunctions maths([this](const std::string& name, const Value& value) { return let(name, value); }, fma_, lookups_);
      return maths.emit(copy.op, copy.args[0], copy.args.size() > 1 ? Value(copy.args[1]) : Value()).expr();
    }
    return changed ? std::make_shared<const LoopExpr>(std::move(copy)) : ref;
  }

  Value let(const std::string& name, const Value& value) {
    if (value.expr()->kind == LoopExpr::Kind::Var || value.expr()->kind == LoopExpr::Kind::Const) return value;
    program_.vars.push_back({fmt::format("{}__{}", name, ++count_), value.type()});
    LoopStmt stmt;
    stmt.kind = LoopStmt::Kind::Let;
    stmt.id = static_cast<int>(program_.vars.size()) - 1;
    stmt.args = {value.expr()};
    out_->push_back(std::move(stmt));
    LoopExpr var;
    var.kind = LoopExpr::Kind::Var;
    var.type = value.type();
    var.id = static_cast<int>(program_.vars.size()) - 1;
    return Value(std::make_shared<const LoopExpr>(std::move(var)));
  }

  LoopProgram& program_;
  bool fma_, lookups_;
  int count_ = 0;
  std::vector<LoopStmt>* out_ = nullptr;
};

}  // namespace

LoopProgram expandMaths(LoopProgram program, bool fma, bool lookups) {
  Expander expander(program, fma, lookups);
  for (LoopPhase& phase : program.phases) phase.body = expander.block(std::move(phase.body));
  return program;
}

}  // namespace quern
