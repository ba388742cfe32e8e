// compiler/loops/build/LoopBuilder.cpp — see LoopBuilder.h.
#include "compiler/loops/build/LoopBuilder.h"

#include "compiler/base/Check.h"

#include <algorithm>
#include <fmt/format.h>

namespace quern {

LoopBuilder::LoopBuilder(std::string name, Contract contract) {
  std::replace(name.begin(), name.end(), '"', '\'');  // the printed form quotes the name
  program_.name = std::move(name);
  program_.contract = std::move(contract);
}

std::string LoopBuilder::uniqueName(const std::string& name) {
  auto [found, fresh] = names_.try_emplace(name, 1);
  if (fresh) return name;
  int& last = found->second;  // stays where it is when others join
  for (;;) {
    std::string unique = fmt::format("{}_{}", name, ++last);
    if (names_.try_emplace(unique, 1).second) return unique;
  }
}

int LoopBuilder::newVar(const std::string& name, LoopType type) {
  program_.vars.push_back({uniqueName(name), type});
  return static_cast<int>(program_.vars.size()) - 1;
}

static Value varValue(int id, LoopType type) {
  LoopExpr expr = node(LoopExpr::Kind::Var, type, {});
  expr.id = id;
  return made(std::move(expr));
}

Value LoopBuilder::dim(const std::string& name) {
  int id = newVar(name, {Scalar::I64, 1});
  program_.dims.push_back(id);
  return varValue(id, {Scalar::I64, 1});
}

Value LoopBuilder::strideParam(const std::string& name) {
  int id = newVar(name, {Scalar::I64, 1});
  program_.strideParams.push_back(id);
  return varValue(id, {Scalar::I64, 1});
}

static std::vector<LoopExprRef> exprsOf(std::span<const Value> values) {
  std::vector<LoopExprRef> exprs;
  for (const Value& value : values) exprs.push_back(value.expr());
  return exprs;
}

BufferRef LoopBuilder::buffer(std::string name, Scalar element, BufferRole role, std::vector<Value> shape, std::vector<Value> strides) {
  program_.buffers.push_back({uniqueName(name), element, role, exprsOf(shape), exprsOf(strides)});
  return {static_cast<int>(program_.buffers.size()) - 1, element};
}

BufferRef LoopBuilder::denseBuffer(std::string name, Scalar element, BufferRole role, std::vector<Value> shape) {
  std::vector<Value> strides(shape.size());
  Value stride = 1;
  for (size_t i = shape.size(); i > 0; --i) {
    strides[i - 1] = stride;
    stride = stride * shape[i - 1];
  }
  return buffer(std::move(name), element, role, std::move(shape), std::move(strides));
}

std::vector<LoopStmt> LoopBuilder::collect(const std::function<void()>& body) {
  std::vector<LoopStmt> inner;
  std::vector<LoopStmt>* outer = block_;
  block_ = &inner;
  body();
  block_ = outer;
  return inner;
}

void LoopBuilder::phase(const Value& tasks, const std::function<void(Value)>& body) {
  LoopPhase phase;
  phase.tasks = tasks.expr();
  phase.taskVar = newVar("task", {Scalar::I64, 1});
  phase.body = collect([&] { body(varValue(phase.taskVar, {Scalar::I64, 1})); });
  program_.phases.push_back(std::move(phase));
}

void LoopBuilder::loop(const std::string& name, const Value& begin, const Value& end, const Value& step,
                       const std::function<void(Value)>& body) {
  const int64_t* from = begin.constant();
  const int64_t* to = end.constant();
  const int64_t* by = step.constant();
  if (from != nullptr && to != nullptr && *from >= *to) return;
  if (from != nullptr && to != nullptr && by != nullptr && *to - *from <= *by) return body(begin);
  LoopStmt stmt;
  stmt.kind = LoopStmt::Kind::For;
  stmt.id = newVar(name, {Scalar::I64, 1});
  stmt.args = {begin.expr(), end.expr(), step.expr()};
  stmt.body = collect([&] { body(varValue(stmt.id, {Scalar::I64, 1})); });
  block_->push_back(std::move(stmt));
}

void LoopBuilder::unroll(const std::string& name, int64_t count, const std::function<void(Value)>& body) {
  if (count == 1) return body(0);
  if (count <= 0) return;
  LoopStmt stmt;
  stmt.kind = LoopStmt::Kind::For;
  stmt.unrolled = true;
  stmt.id = newVar(name, {Scalar::I64, 1});
  stmt.args = {Value(0).expr(), Value(count).expr(), Value(1).expr()};
  stmt.body = collect([&] { body(varValue(stmt.id, {Scalar::I64, 1})); });
  block_->push_back(std::move(stmt));
}

void LoopBuilder::when(const Value& condition, const std::function<void()>& body, const std::function<void()>& otherwise) {
  LoopStmt stmt;
  stmt.kind = LoopStmt::Kind::If;
  stmt.args = {condition.expr()};
  stmt.body = collect(body);
  if (otherwise) stmt.otherwise = collect(otherwise);
  block_->push_back(std::move(stmt));
}

void LoopBuilder::flushed(const std::function<void()>& body) {
  LoopStmt stmt;
  stmt.kind = LoopStmt::Kind::Flushed;
  stmt.body = collect(body);
  block_->push_back(std::move(stmt));
}

LoopStmt& LoopBuilder::add(LoopStmt::Kind kind, std::vector<int> tiles) {
  LoopStmt stmt;
  stmt.kind = kind;
  stmt.tiles = std::move(tiles);
  block_->push_back(std::move(stmt));
  return block_->back();
}

void LoopBuilder::tiles(std::vector<TileShape> shapes, const std::function<void()>& body) {
  std::vector<LoopStmt> inner = collect(body);
  LoopStmt& stmt = add(LoopStmt::Kind::Tiles, {});
  stmt.shapes = std::move(shapes);
  stmt.body = std::move(inner);
}

void LoopBuilder::tileZero(int tile) { add(LoopStmt::Kind::TileZero, {tile}); }

void LoopBuilder::tileLoad(int tile, const BufferRef& buffer, std::span<const Value> index) {
  LoopStmt& stmt = add(LoopStmt::Kind::TileLoad, {tile});
  stmt.id = buffer.id;
  stmt.args = exprsOf(index);
}

void LoopBuilder::tileStore(const BufferRef& buffer, std::span<const Value> index, int tile) {
  LoopStmt& stmt = add(LoopStmt::Kind::TileStore, {tile});
  stmt.id = buffer.id;
  stmt.args = exprsOf(index);
}

void LoopBuilder::tileDot(TileDot kind, int sums, int a, int b) { add(LoopStmt::Kind::TileDot, {sums, a, b}).dot = kind; }

Value LoopBuilder::let(const std::string& name, const Value& value) {
  if (value.expr()->kind == LoopExpr::Kind::Const || value.expr()->kind == LoopExpr::Kind::Var) return value;
  LoopStmt stmt;
  stmt.kind = LoopStmt::Kind::Let;
  stmt.id = newVar(name, value.type());
  stmt.args = {value.expr()};
  block_->push_back(std::move(stmt));
  return varValue(stmt.id, value.type());
}

RegArray LoopBuilder::reg(const std::string& name, std::vector<int> dims, const Value& initial) {
  program_.regs.push_back({uniqueName(name), initial.type(), std::move(dims)});
  LoopStmt stmt;
  stmt.kind = LoopStmt::Kind::Reg;
  stmt.id = static_cast<int>(program_.regs.size()) - 1;
  stmt.args = {initial.expr()};
  RegArray reg{stmt.id, initial.type()};
  block_->push_back(std::move(stmt));
  return reg;
}

Value LoopBuilder::get(const RegArray& reg, std::span<const Value> index) const {
  LoopExpr expr = node(LoopExpr::Kind::RegGet, reg.type, exprsOf(index));
  expr.id = reg.id;
  return made(std::move(expr));
}

void LoopBuilder::set(const RegArray& reg, Index index, const Value& value) {
  QUERN_CHECK(value.type() == reg.type);
  LoopStmt stmt;
  stmt.kind = LoopStmt::Kind::Set;
  stmt.id = reg.id;
  stmt.args = exprsOf(std::span(index.begin(), index.size()));
  stmt.args.insert(stmt.args.begin(), value.expr());
  block_->push_back(std::move(stmt));
}

Value LoopBuilder::load(const BufferRef& buffer, std::span<const Value> index, int lanes, const Value* mask) const {
  LoopExpr expr = node(LoopExpr::Kind::Load, {valueOf(buffer.element), lanes}, exprsOf(index));
  expr.id = buffer.id;
  expr.stored = buffer.element;
  if (mask != nullptr) expr.args.push_back(mask->expr());
  expr.masked = mask != nullptr;
  return made(std::move(expr));
}

Value LoopBuilder::loadAs(Scalar stored, const BufferRef& buffer, std::span<const Value> index, int lanes) const {
  QUERN_CHECK(mayBeReadAs(buffer.element, stored));
  LoopExpr expr = node(LoopExpr::Kind::Load, {valueOf(stored), lanes}, exprsOf(index));
  expr.id = buffer.id;
  expr.stored = stored;
  return made(std::move(expr));
}

void LoopBuilder::store(const BufferRef& buffer, std::span<const Value> index, const Value& value, const Value* mask) {
  LoopStmt stmt;
  stmt.kind = LoopStmt::Kind::Store;
  stmt.id = buffer.id;
  stmt.args = exprsOf(index);
  stmt.args.insert(stmt.args.begin(), value.expr());
  if (mask != nullptr) stmt.args.push_back(mask->expr());
  stmt.masked = mask != nullptr;
  block_->push_back(std::move(stmt));
}

void LoopBuilder::stream(const BufferRef& buffer, std::span<const Value> index, const Value& value) {
  store(buffer, index, value);
  block_->back().past = true;
}

Value LoopBuilder::toLine(const BufferRef& buffer, std::span<const Value> index) const {
  LoopExpr expr = node(LoopExpr::Kind::ToLine, {Scalar::I64, 1}, exprsOf(index));
  expr.id = buffer.id;
  return made(std::move(expr));
}

void LoopBuilder::prefetchL2(const BufferRef& buffer, std::span<const Value> index) {
  prefetch(buffer, index);
  block_->back().past = true;
}

void LoopBuilder::prefetch(const BufferRef& buffer, std::span<const Value> index) {
  LoopStmt stmt;
  stmt.kind = LoopStmt::Kind::Prefetch;
  stmt.id = buffer.id;
  stmt.args = exprsOf(index);
  block_->push_back(std::move(stmt));
}

}  // namespace quern
