// compiler/loops/ir/LoopParser.cpp — recursive descent over the printed form.
//
//   program := 'loops' string 'isa' word ('dim' name | 'stride' name | buffer)* phase+
//   buffer  := 'buffer' name ':' type role '[' exprs ']' 'strides' '[' exprs ']'
//   phase   := 'phase' name 'tasks' expr block
//   stmt    := ('for'|'unroll') name '=' expr 'to' expr ['step' expr] block | 'let' name '=' expr
//            | 'store' name '[' exprs ']' '=' expr ['if' expr] | 'reg' name ('[' int ']')+ ':' type '=' expr
//            | 'set' name ('[' expr ']')+ '=' expr | 'if' expr block ['else' block] | ('prefetch'|'prefetch_l2') name '[' exprs ']'
//            | 'stream' name '[' exprs ']' '=' expr | 'tiles' (rows 'x' words)+ block | 'tile_zero' int
//            | 'tile_load' int '=' name '[' exprs ']' | 'tile_store' name '[' exprs ']' '=' int
//            | 'tile_dot' int '=' ('pairs' | 'bytes') '(' int ',' int ')'
//   expr    := number | name | name '[' exprs ']' [':' lanes] ['as' stored] | name ('[' expr ']')+ | fn '(' exprs ')'
//            | '(' expr op expr ')'
#include "compiler/loops/ir/LoopParser.h"

#include "compiler/base/Text.h"
#include "compiler/loops/ir/LoopNodes.h"
#include "compiler/loops/ir/LoopTokens.h"
#include "compiler/loops/ir/Value.h"

#include <algorithm>
#include <fmt/format.h>
#include <map>

namespace quern {

namespace {

constexpr int kMaxDepth = 200;

class Parser : LoopTokens {
public:
  Parser(std::string_view text, const std::string& file) : LoopTokens(text), file_(file) {}

  Result<LoopProgram> run() {
    word("loops");
    program_.name = token_.text;
    expect(LoopToken::Kind::String, "the program's name in quotes");
    word("isa");
    std::string contract = takeText(LoopToken::Kind::Name, "a base level such as x86-64-v3");
    while (accept("+")) contract += "+" + takeText(LoopToken::Kind::Name, "a feature such as avx512vnni");
    if (auto parsed = parseContract(contract)) program_.contract = std::move(*parsed);
    else if (failed_.empty()) return badInput(fmt::format("{}:2: {}", escaped(file_), parsed.error().message));
    while (failed_.empty() && !isWord("phase")) declaration();
    while (failed_.empty() && isWord("phase")) phase();
    if (failed_.empty() && token_.kind != LoopToken::Kind::End) fail("'phase' or the end expected");
    if (!failed_.empty()) return badInput(fmt::format("{}:{}: {}", escaped(file_), failedLine_, failed_));
    return std::move(program_);
  }

private:
  // --- names
  int declareVar(LoopType type) {
    std::string name = takeText(LoopToken::Kind::Name, "a name");
    if (vars_.count(name) + buffers_.count(name) + regs_.count(name) > 0)
      fail(fmt::format("'{}' is declared twice; another name expected", name));
    program_.vars.push_back({name, type});
    return vars_[name] = static_cast<int>(program_.vars.size()) - 1;
  }
  LoopType type() {
    std::string name = takeText(LoopToken::Kind::Name, "a type such as f32x8");
    size_t x = name.find('x');
    auto scalar = scalarNamed(std::string_view(name).substr(0, x));
    auto lanes = x == std::string::npos ? std::optional<int64_t>(1) : parseInt(name.substr(x + 1));
    if (!scalar || !lanes || *lanes < 1 || *lanes > kMaxLanes)
      fail(fmt::format("'{}' is no type; f32, i32, i64, bool ... with x and 1 to {} lanes expected", name, kMaxLanes));
    return {scalar.value_or(Scalar::I64), static_cast<int>(lanes.value_or(1))};
  }

  Scalar stored() {
    auto scalar = token_.kind == LoopToken::Kind::Name ? scalarNamed(token_.text) : std::nullopt;
    if (!scalar || bytesOf(*scalar) == 0) return fail("i8, u8, i16, u16, f16, bf16, i32, i64, f32 or f64 expected"), Scalar::F32;
    advance();
    return *scalar;
  }

  // --- declarations
  void declaration() {
    if (accept("dim")) return program_.dims.push_back(declareVar({Scalar::I64, 1}));
    if (accept("stride")) return program_.strideParams.push_back(declareVar({Scalar::I64, 1}));
    word("buffer");
    LoopBuffer buffer;
    buffer.name = takeText(LoopToken::Kind::Name, "a buffer name");
    sign(":");
    buffer.element = stored();
    buffer.role = role();
    sign("[");
    buffer.shape = exprs("]");
    word("strides");
    sign("[");
    buffer.strides = exprs("]");
    if (buffers_.count(buffer.name) != 0) fail(fmt::format("buffer '{}' is declared twice; another name expected", buffer.name));
    buffers_[buffer.name] = static_cast<int>(program_.buffers.size());
    program_.buffers.push_back(std::move(buffer));
  }
  BufferRole role() {
    constexpr std::string_view names[] = {"in", "out", "inout", "packed", "shared", "thread"};
    for (size_t i = 0; i < std::size(names); ++i)
      if (accept(names[i])) return static_cast<BufferRole>(i);
    fail("in, out, inout, packed, shared or thread expected");
    return BufferRole::In;
  }
  void phase() {
    word("phase");
    LoopPhase phase;
    phase.taskVar = declareVar({Scalar::I64, 1});
    word("tasks");
    phase.tasks = expr();
    phase.body = block();
    program_.phases.push_back(std::move(phase));
  }

  // --- statements
  std::vector<LoopStmt> block() {
    std::vector<LoopStmt> stmts;
    if (++depth_ > kMaxDepth) fail(fmt::format("nesting of at most {} expected", kMaxDepth));
    sign("{");
    while (failed_.empty() && !isSign("}")) stmts.push_back(statement());
    sign("}");
    --depth_;
    return stmts;
  }
  LoopStmt statement() {
    LoopStmt s;
    if (isWord("for") || isWord("unroll")) return loop();
    if (accept("let")) return let();
    if (accept("store")) return store();
    if (isWord("stream")) return stream();
    if (accept("reg")) return reg();
    if (accept("set")) return set();
    if (isWord("prefetch") || isWord("prefetch_l2")) {
      s.kind = LoopStmt::Kind::Prefetch;
      s.past = isWord("prefetch_l2");
      advance();
      s.id = named(buffers_, "buffer");
      sign("[");
      s.args = exprs("]");
      return s;
    }
    if (accept("flushed")) {
      s.kind = LoopStmt::Kind::Flushed;
      s.body = block();
      return s;
    }
    if (accept("tiles")) return tiles();
    if (token_.kind == LoopToken::Kind::Name && token_.text.starts_with("tile_")) return tile();
    if (!accept("if"))
      return fail(
                 "a statement (for, unroll, let, store, stream, reg, set, if, flushed, prefetch, prefetch_l2, tiles, tile_zero, "
                 "tile_load, tile_store, tile_dot) expected"),
             s;
    s.kind = LoopStmt::Kind::If;
    s.args = {expr()};
    s.body = block();
    if (accept("else")) s.otherwise = block();
    return s;
  }
  LoopStmt loop() {
    LoopStmt s;
    s.kind = LoopStmt::Kind::For;
    s.unrolled = isWord("unroll");
    advance();
    s.id = declareVar({Scalar::I64, 1});
    sign("=");
    s.args.push_back(expr());
    word("to");
    s.args.push_back(expr());
    s.args.push_back(accept("step") ? expr() : integer(1));
    s.body = block();
    return s;
  }
  LoopStmt let() {
    LoopStmt s;
    s.kind = LoopStmt::Kind::Let;
    s.id = declareVar({Scalar::I64, 1});
    sign("=");
    s.args = {expr()};
    program_.vars[static_cast<size_t>(s.id)].type = s.args[0]->type;
    return s;
  }
  LoopStmt stream() {
    advance();
    LoopStmt s = store();
    s.past = true;
    return s;
  }
  LoopStmt store() {
    LoopStmt s;
    s.kind = LoopStmt::Kind::Store;
    s.id = named(buffers_, "buffer");
    sign("[");
    std::vector<LoopExprRef> index = exprs("]");
    sign("=");
    s.args = {expr()};
    s.args.insert(s.args.end(), index.begin(), index.end());
    s.masked = accept("if");
    if (s.masked) s.args.push_back(expr());
    return s;
  }
  LoopStmt reg() {
    LoopStmt s;
    LoopReg reg;
    s.kind = LoopStmt::Kind::Reg;
    reg.name = takeText(LoopToken::Kind::Name, "a name");
    while (accept("[")) {
      reg.dims.push_back(static_cast<int>(takeInt(1, 256, "a register array dimension")));
      sign("]");
    }
    sign(":");
    reg.type = type();
    sign("=");
    s.args = {expr()};
    if (regs_.count(reg.name) + vars_.count(reg.name) + buffers_.count(reg.name) > 0)
      fail(fmt::format("'{}' is declared twice; another name expected", reg.name));
    s.id = regs_[reg.name] = static_cast<int>(program_.regs.size());
    program_.regs.push_back(std::move(reg));
    return s;
  }
  LoopStmt set() {
    LoopStmt s;
    s.kind = LoopStmt::Kind::Set;
    s.id = named(regs_, "register array");
    std::vector<LoopExprRef> index = regIndex();
    sign("=");
    s.args = {expr()};
    s.args.insert(s.args.end(), index.begin(), index.end());
    return s;
  }
  LoopStmt tiles() {
    LoopStmt s;
    s.kind = LoopStmt::Kind::Tiles;
    while (token_.kind == LoopToken::Kind::Number) {
      size_t x = token_.text.find('x');
      auto rows = parseInt(token_.text.substr(0, x)), words = parseInt(x == std::string::npos ? "" : token_.text.substr(x + 1));
      if (!rows || !words || std::min(*rows, *words) < 1 || *rows > TileShape::kMostRows || *words > TileShape::kMostWords)
        return fail(fmt::format("a tile's rows and words, at most {}x{}, expected", TileShape::kMostRows, TileShape::kMostWords)), s;
      s.shapes.push_back({static_cast<int>(*rows), static_cast<int>(*words)});
      advance();
    }
    s.body = block();
    return s;
  }
  int tileNumber() { return static_cast<int>(takeInt(0, TileShape::kMostTiles - 1, "a tile's number")); }
  TileDot tileDot() {
    for (size_t i = 0; i < std::size(kTileDots); ++i)
      if (accept(kTileDots[i].name)) return static_cast<TileDot>(i);
    fail("what a tile_dot is of (pairs, bytes) expected");
    return {};
  }
  LoopStmt tile() {
    LoopStmt s;
    auto memory = [&] {
      s.id = named(buffers_, "buffer");
      sign("[");
      s.args = exprs("]");
    };
    if (accept("tile_zero")) return s.kind = LoopStmt::Kind::TileZero, s.tiles = {tileNumber()}, s;
    if (accept("tile_store")) {
      s.kind = LoopStmt::Kind::TileStore;
      memory();
      sign("=");
      return s.tiles = {tileNumber()}, s;
    }
    s.kind = isWord("tile_load") ? LoopStmt::Kind::TileLoad : LoopStmt::Kind::TileDot;
    if (!accept("tile_load")) word("tile_dot");
    s.tiles = {tileNumber()};
    sign("=");
    if (s.kind == LoopStmt::Kind::TileLoad) return memory(), s;
    s.dot = tileDot();
    sign("(");
    s.tiles.push_back(tileNumber());
    sign(",");
    s.tiles.push_back(tileNumber());
    sign(")");
    return s;
  }
  int named(const std::map<std::string, int>& table, std::string_view what) {
    auto found = table.find(token_.text);
    if (token_.kind != LoopToken::Kind::Name || found == table.end()) return fail(fmt::format("the name of a {} expected", what)), 0;
    advance();
    return found->second;
  }
  std::vector<LoopExprRef> regIndex() {
    std::vector<LoopExprRef> index;
    while (accept("[")) {
      index.push_back(expr());
      sign("]");
    }
    return index;
  }

  // --- expressions
  std::vector<LoopExprRef> exprs(std::string_view close) {
    std::vector<LoopExprRef> list;
    if (accept(close)) return list;
    do list.push_back(expr());
    while (accept(","));
    sign(close);
    return list;
  }
  static LoopExprRef integer(int64_t value) {
    LoopExpr e;
    e.integer = value;
    return std::make_shared<const LoopExpr>(std::move(e));
  }
  static LoopExprRef made(LoopExpr e) { return std::make_shared<const LoopExpr>(std::move(e)); }

  LoopExprRef expr() {
    if (++depth_ > kMaxDepth) return fail(fmt::format("nesting of at most {} expected", kMaxDepth)), integer(0);
    LoopExprRef out = failed_.empty() ? unguarded() : integer(0);
    --depth_;
    return out;
  }
  LoopExprRef unguarded() {
    if (accept("(")) return infix();
    if (token_.kind == LoopToken::Kind::Number) return number();
    std::string name = takeText(LoopToken::Kind::Name, "an expression");
    if (!failed_.empty()) return integer(0);
    if (isSign("(")) return call(name);  // a function may share its name with a variable
    if (auto var = vars_.find(name); var != vars_.end()) return variable(var->second);
    if (auto reg = regs_.find(name); reg != regs_.end()) return regGet(reg->second);
    if (auto buffer = buffers_.find(name); buffer != buffers_.end()) return load(buffer->second);
    return call(name);
  }
  LoopExprRef variable(int id) {
    LoopExpr e;
    e.kind = LoopExpr::Kind::Var;
    e.id = id;
    e.type = program_.vars[static_cast<size_t>(id)].type;
    return made(std::move(e));
  }
  LoopExprRef regGet(int id) {
    LoopExpr e;
    e.kind = LoopExpr::Kind::RegGet;
    e.id = id;
    e.type = program_.regs[static_cast<size_t>(id)].type;
    e.args = regIndex();
    return made(std::move(e));
  }
  LoopExprRef load(int id) {
    LoopExpr e;
    e.kind = LoopExpr::Kind::Load;
    e.id = id;
    sign("[");
    e.args = exprs("]");
    std::optional<LoopType> asked;  // x[i]:i8x32 as it lies there, x[i]:32 as valueOf says
    if (accept(":")) {
      if (token_.kind == LoopToken::Kind::Name) asked = type();
      else e.type.lanes = static_cast<int>(takeInt(1, kMaxLanes, "lanes"));
    }
    e.stored = program_.buffers[static_cast<size_t>(id)].element;
    if (accept("as")) e.stored = stored();
    e.type = asked.value_or(LoopType{valueOf(e.stored), e.type.lanes});
    return made(std::move(e));
  }
  /// 12 is i64, 12i and 12ix8 are i32, 1.5f and 1.5fx8 are f32.
  LoopExprRef number() {
    std::string all = token_.text;
    LoopExpr e;
    size_t suffix = all.find_first_of("ix", all.starts_with("inf") || all.starts_with("-inf") ? 4 : 0);
    size_t letter = all.find('f', all.find("inf") != std::string::npos ? all.find("inf") + 3 : 0);
    if (letter != std::string::npos) suffix = letter;
    if (suffix == std::string::npos) return integer(takeInt(INT64_MIN, INT64_MAX, "a whole number"));
    e.type.scalar = all[suffix] == 'f' ? Scalar::F32 : Scalar::I32;
    std::string lanes = all.substr(suffix + 1);
    int64_t count = lanes.empty() ? 1 : lanes[0] == 'x' ? parseInt(lanes.substr(1)).value_or(0) : 0;
    std::string digits = all.substr(0, suffix);
    auto value = digits == "nan" ? std::optional<double>(__builtin_nan("")) : parseDouble(digits);
    auto whole = parseInt(digits);
    bool good = count >= 1 && count <= kMaxLanes && (e.type.scalar == Scalar::F32 ? value.has_value() : whole.has_value());
    if (!good) return fail("a number such as 12, 12ix8 or 1.5fx8 expected"), integer(0);
    e.type.lanes = static_cast<int>(count);
    if (e.type.scalar == Scalar::F32) e.number = static_cast<float>(*value);
    else e.integer = *whole;
    advance();
    return made(std::move(e));
  }
  LoopExprRef infix() {
    LoopExpr e;
    e.args.push_back(expr());
    const LoopNode* node = token_.kind == LoopToken::Kind::Sign ? findInfix(token_.text) : nullptr;
    if (node == nullptr) return fail("an operator expected"), integer(0);
    advance();
    e.args.push_back(expr());
    sign(")");
    return operation(std::move(e), *node);
  }
  LoopExprRef call(const std::string& name) {
    LoopExpr e;
    if (!isSign("("))
      return fail(fmt::format("'{}' is not declared; a declared name or a function expected", escapedShort(name))), integer(0);
    advance();
    e.args.push_back(expr());
    while (accept(",")) e.args.push_back(expr());
    const LoopNode* node = findFunction(name, e.type.lanes);
    if (node != nullptr && node->notation == Notation::Pattern && accept(";"))
      while (failed_.empty() && !isSign(")")) e.pattern.push_back(static_cast<int>(takeInt(0, 127, "a lane")));
    if (node != nullptr && node->notation == Notation::Table && accept(";")) do
        e.table.push_back(tableEntry());
      while (failed_.empty() && accept(","));
    sign(")");
    if (name == "to_line" && e.args.size() == 1 && e.args[0]->kind == LoopExpr::Kind::Load && e.args[0]->type.lanes == 1)
      return toLine(*e.args[0]);
    if (name == "masked" && e.args.size() == 2 && e.args[0]->kind == LoopExpr::Kind::Load) return masked(*e.args[0], e.args[1]);
    if (!failed_.empty() || node == nullptr || static_cast<size_t>(node->arity) != e.args.size())
      return fail(fmt::format("'{}' with {} arguments is no function; a function expected", escapedShort(name), e.args.size())), integer(0);
    return operation(std::move(e), *node);
  }
  float tableEntry() {
    LoopExprRef entry = expr();
    if (entry->kind != LoopExpr::Kind::Const || entry->type != LoopType{Scalar::F32, 1}) fail("a number such as 1.5f expected before this");
    return entry->number;
  }
  static LoopExprRef toLine(const LoopExpr& load) {
    LoopExpr e = node(LoopExpr::Kind::ToLine, {Scalar::I64, 1}, load.args);
    e.id = load.id;
    return made(std::move(e));
  }
  static LoopExprRef masked(LoopExpr load, const LoopExprRef& mask) {
    load.masked = true;
    load.args.push_back(mask);
    return made(std::move(load));
  }
  /// Whether its arguments are right is the verifier's to say.
  static LoopExprRef operation(LoopExpr e, const LoopNode& node) {
    e.kind = LoopExpr::Kind::Op;
    e.op = node.op;
    (void)node.type(e, e.type);
    return made(std::move(e));
  }
  std::string file_;
  LoopProgram program_;
  std::map<std::string, int> vars_, buffers_, regs_;
  int depth_ = 0;
};

}  // namespace

Result<LoopProgram> parseLoops(std::string_view text, const std::string& file) { return Parser(text, file).run(); }

}  // namespace quern
