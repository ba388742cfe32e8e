// compiler/loops/ir/LoopPrinter.cpp — see LoopPrinter.h. The grammar is LoopParser.cpp's.
#include "compiler/loops/ir/LoopPrinter.h"

#include "compiler/base/Text.h"
#include "compiler/loops/ir/LoopNodes.h"

#include <fmt/format.h>

namespace quern {

namespace {

class Printer {
public:
  explicit Printer(const LoopProgram& program) : program_(program) {}

  std::string expr(const LoopExprRef& ref) const {
    const LoopExpr& e = *ref;
    switch (e.kind) {
      case LoopExpr::Kind::Const: return constant(e);
      case LoopExpr::Kind::Var: return program_.vars[static_cast<size_t>(e.id)].name;
      case LoopExpr::Kind::Load: return load(e);
      case LoopExpr::Kind::RegGet: return program_.regs[static_cast<size_t>(e.id)].name + regIndex(e.args, 0);
      case LoopExpr::Kind::ToLine: return fmt::format("to_line({})", access(e.id, e.args, 0, e.args.size()));
      case LoopExpr::Kind::Op: return operation(e);
    }
    return {};
  }

  std::string block(const std::vector<LoopStmt>& stmts, int depth) const {
    std::string out;
    for (const LoopStmt& stmt : stmts) out += std::string(static_cast<size_t>(depth) * 2, ' ') + statement(stmt, depth);
    return out;
  }

  std::string list(const std::vector<LoopExprRef>& exprs, size_t from, size_t count) const {
    std::string out;
    for (size_t i = from; i < from + count; ++i) out += (i == from ? "" : ", ") + expr(exprs[i]);
    return out;
  }

private:
  std::string operation(const LoopExpr& e) const {
    const LoopNode& node = nodeOf(e.op);
    if (node.notation == Notation::Infix) return fmt::format("({} {} {})", expr(e.args[0]), node.name, expr(e.args[1]));
    std::string args = list(e.args, 0, e.args.size());
    switch (node.notation) {
      case Notation::Lanes: return fmt::format("{}{}({})", node.name, e.type.lanes, args);
      case Notation::Pattern: return fmt::format("{}({}; {})", node.name, args, fmt::join(e.pattern, " "));
      case Notation::Table: return fmt::format("{}({}; {})", node.name, args, numbers(e.table));
      default: return fmt::format("{}({})", node.name, args);
    }
  }
  static std::string numbers(const std::vector<float>& table) {
    std::string out;
    for (float each : table) out += (out.empty() ? "" : ", ") + shortest(each) + "f";
    return out;
  }

  std::string constant(const LoopExpr& e) const {
    std::string lanes = e.type.lanes == 1 ? "" : fmt::format("x{}", e.type.lanes);
    if (e.type.scalar == Scalar::F32) return shortest(e.number) + "f" + lanes;
    if (e.type.scalar == Scalar::I32) return fmt::format("{}i{}", e.integer, lanes);
    return std::to_string(e.integer);
  }
  std::string load(const LoopExpr& e) const {
    size_t rank = e.args.size() - (e.masked ? 1 : 0);
    std::string out = access(e.id, e.args, 0, rank);
    if (e.type.scalar != valueOf(e.stored)) out += ":" + text(e.type);
    else if (e.type.lanes > 1) out += fmt::format(":{}", e.type.lanes);
    if (e.stored != program_.buffers[static_cast<size_t>(e.id)].element) out += fmt::format(" as {}", text(e.stored));
    return e.masked ? fmt::format("masked({}, {})", out, expr(e.args.back())) : out;
  }
  static std::string shapes(const LoopStmt& s) {
    std::string out;
    for (TileShape shape : s.shapes) out += fmt::format(" {}x{}", shape.rows, shape.words);
    return out;
  }
  std::string access(int buffer, const std::vector<LoopExprRef>& args, size_t from, size_t rank) const {
    return fmt::format("{}[{}]", program_.buffers[static_cast<size_t>(buffer)].name, list(args, from, rank));
  }
  std::string regIndex(const std::vector<LoopExprRef>& args, size_t from) const {
    std::string out;
    for (size_t i = from; i < args.size(); ++i) out += fmt::format("[{}]", expr(args[i]));
    return out;
  }
  std::string braces(const std::vector<LoopStmt>& body, int depth) const {
    return fmt::format("{{\n{}{}}}", block(body, depth + 1), std::string(static_cast<size_t>(depth) * 2, ' '));
  }
  std::string statement(const LoopStmt& s, int depth) const {
    switch (s.kind) {
      case LoopStmt::Kind::For: {
        std::string head = fmt::format("{} {} = {} to {}", s.unrolled ? "unroll" : "for", program_.vars[static_cast<size_t>(s.id)].name,
                                       expr(s.args[0]), expr(s.args[1]));
        const int64_t* step = constantInt(s.args[2]);
        if (step == nullptr || *step != 1) head += " step " + expr(s.args[2]);
        return fmt::format("{} {}\n", head, braces(s.body, depth));
      }
      case LoopStmt::Kind::Let: return fmt::format("let {} = {}\n", program_.vars[static_cast<size_t>(s.id)].name, expr(s.args[0]));
      case LoopStmt::Kind::Store: {
        size_t rank = s.args.size() - 1 - (s.masked ? 1 : 0);
        std::string mask = s.masked ? fmt::format(" if {}", expr(s.args.back())) : "";
        return fmt::format("{} {} = {}{}\n", s.past ? "stream" : "store", access(s.id, s.args, 1, rank), expr(s.args[0]), mask);
      }
      case LoopStmt::Kind::Reg: {
        const LoopReg& reg = program_.regs[static_cast<size_t>(s.id)];
        std::string dims;
        for (int dim : reg.dims) dims += fmt::format("[{}]", dim);
        return fmt::format("reg {}{} : {} = {}\n", reg.name, dims, text(reg.type), expr(s.args[0]));
      }
      case LoopStmt::Kind::Set:
        return fmt::format("set {}{} = {}\n", program_.regs[static_cast<size_t>(s.id)].name, regIndex(s.args, 1), expr(s.args[0]));
      case LoopStmt::Kind::If: {
        std::string out = fmt::format("if {} {}", expr(s.args[0]), braces(s.body, depth));
        if (!s.otherwise.empty()) out += fmt::format(" else {}", braces(s.otherwise, depth));
        return out + "\n";
      }
      case LoopStmt::Kind::Flushed: return fmt::format("flushed {}\n", braces(s.body, depth));
      case LoopStmt::Kind::Prefetch:
        return fmt::format("{} {}\n", s.past ? "prefetch_l2" : "prefetch", access(s.id, s.args, 0, s.args.size()));
      case LoopStmt::Kind::Tiles: return fmt::format("tiles{} {}\n", shapes(s), braces(s.body, depth));
      case LoopStmt::Kind::TileZero: return fmt::format("tile_zero {}\n", s.tiles[0]);
      case LoopStmt::Kind::TileLoad: return fmt::format("tile_load {} = {}\n", s.tiles[0], access(s.id, s.args, 0, s.args.size()));
      case LoopStmt::Kind::TileStore: return fmt::format("tile_store {} = {}\n", access(s.id, s.args, 0, s.args.size()), s.tiles[0]);
      case LoopStmt::Kind::TileDot:
        return fmt::format("tile_dot {} = {}({}, {})\n", s.tiles[0], kTileDots[static_cast<size_t>(s.dot)].name, s.tiles[1], s.tiles[2]);
    }
    return {};
  }

  const LoopProgram& program_;
};

}  // namespace

std::string text(const LoopExprRef& expr, const LoopProgram& program) { return Printer(program).expr(expr); }

std::string text(const LoopProgram& program) {
  Printer printer(program);
  std::string out = fmt::format("loops \"{}\"\nisa {}\n", program.name, text(program.contract));
  for (int id : program.dims) out += fmt::format("dim {}\n", program.vars[static_cast<size_t>(id)].name);
  for (int id : program.strideParams) out += fmt::format("stride {}\n", program.vars[static_cast<size_t>(id)].name);
  for (const LoopBuffer& buffer : program.buffers)
    out += fmt::format("buffer {} : {} {} [{}] strides [{}]\n", buffer.name, text(buffer.element), text(buffer.role),
                       printer.list(buffer.shape, 0, buffer.shape.size()), printer.list(buffer.strides, 0, buffer.strides.size()));
  for (const LoopPhase& phase : program.phases)
    out += fmt::format("phase {} tasks {} {{\n{}}}\n", program.vars[static_cast<size_t>(phase.taskVar)].name, printer.expr(phase.tasks),
                       printer.block(phase.body, 1));
  return out;
}

}  // namespace quern
