// compiler/loops/ir/Unrolled.cpp — see Unrolled.h.
#include "compiler/loops/ir/Unrolled.h"

#include "compiler/base/Checked.h"
#include "compiler/base/Text.h"
#include "compiler/loops/ir/LoopPrinter.h"

#include <algorithm>
#include <fmt/format.h>
#include <optional>

namespace quern {

namespace {

class Writer {
public:
  explicit Writer(const LoopProgram& program) : program_(program), values_(program.vars.size()) {}

  Result<void> run() {
    for (const LoopPhase& phase : program_.phases) block(phase.body);
    if (!failed_.empty()) return badInput(failed_);
    return {};
  }

private:
  void fail(std::string why) {
    if (failed_.empty()) failed_ = std::move(why);
  }
  bool count() {
    if (++written_ > kMaxWrittenOut) fail(fmt::format("unrolled it has more than {} statements and operators", kMaxWrittenOut));
    return failed_.empty();
  }

  /// The value of an expression of constants and unrolled loops.
  std::optional<int64_t> known(const LoopExpr& e) {
    if (e.kind == LoopExpr::Kind::Const) return e.integer;
    if (e.kind == LoopExpr::Kind::Var) return values_[static_cast<size_t>(e.id)];
    if (e.kind != LoopExpr::Kind::Op || e.args.size() != 2) return std::nullopt;
    auto a = known(*e.args[0]), b = known(*e.args[1]);
    if (!a || !b) return std::nullopt;
    switch (e.op) {
      case LoopOp::Add: return checkedAdd(*a, *b);
      case LoopOp::Sub: return checkedSub(*a, *b);
      case LoopOp::Mul: return checkedMul(*a, *b);
      case LoopOp::Div: return *a >= 0 && *b > 0 ? std::optional(*a / *b) : std::nullopt;
      case LoopOp::Rem: return *a >= 0 && *b > 0 ? std::optional(*a % *b) : std::nullopt;
      case LoopOp::Max: return std::max(*a, *b);
      case LoopOp::Min: return std::min(*a, *b);
      default: return std::nullopt;
    }
  }

  void element(int id, const std::vector<LoopExprRef>& args, size_t from) {
    const LoopReg& reg = program_.regs[static_cast<size_t>(id)];
    for (size_t i = 0; i < reg.dims.size() && failed_.empty(); ++i) {
      auto at = known(*args[from + i]);
      if (at && *at >= 0 && *at < reg.dims[i]) continue;
      fail(fmt::format("register array {}: index {} is {}; 0 to {} are there", reg.name, escapedShort(text(args[from + i], program_)),
                       at ? std::to_string(*at) : "no number", reg.dims[i] - 1));
    }
  }

  void expr(const LoopExpr& e) {
    if (e.args.empty() && e.kind != LoopExpr::Kind::RegGet) return;
    if (!count()) return;
    if (e.kind == LoopExpr::Kind::RegGet) return element(e.id, e.args, 0);
    for (const LoopExprRef& arg : e.args) expr(*arg);
  }

  void block(const std::vector<LoopStmt>& stmts) {
    for (const LoopStmt& stmt : stmts) {
      if (!count()) return;
      statement(stmt);
    }
  }

  void statement(const LoopStmt& s) {
    if (s.kind == LoopStmt::Kind::For) return loop(s);
    for (const LoopExprRef& arg : s.args) expr(*arg);
    if (s.kind == LoopStmt::Kind::Set) element(s.id, s.args, 1);
    block(s.body);
    block(s.otherwise);
  }

  void loop(const LoopStmt& s) {
    if (!s.unrolled) {
      for (const LoopExprRef& arg : s.args) expr(*arg);
      return block(s.body);
    }
    auto begin = known(*s.args[0]), end = known(*s.args[1]), step = known(*s.args[2]);
    std::optional<int64_t>& value = values_[static_cast<size_t>(s.id)];
    if (!begin || !end || !step || *step < 1)
      return fail(fmt::format("unroll {} from {} to {} step {}: numbers, and a step above 0, are needed",
                              program_.vars[static_cast<size_t>(s.id)].name, escapedShort(text(s.args[0], program_)),
                              escapedShort(text(s.args[1], program_)), escapedShort(text(s.args[2], program_))));
    for (value = begin; value && *value < *end && count(); value = checkedAdd(*value, *step)) block(s.body);
    value.reset();
  }

  const LoopProgram& program_;
  std::vector<std::optional<int64_t>> values_;  ///< of unrolled loops that are being written out
  int64_t written_ = 0;
  std::string failed_;
};

}  // namespace

Result<void> checkWrittenOut(const LoopProgram& program) { return Writer(program).run(); }

}  // namespace quern
