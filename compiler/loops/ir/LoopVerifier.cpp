// compiler/loops/ir/LoopVerifier.cpp — see LoopVerifier.h.
#include "compiler/loops/ir/LoopVerifier.h"

#include "compiler/base/Formula.h"
#include "compiler/base/Text.h"
#include "compiler/loops/ir/LoopNodes.h"
#include "compiler/loops/ir/LoopPrinter.h"
#include "compiler/loops/ir/Unrolled.h"
#include "compiler/loops/ir/Value.h"
#include "compiler/target/Target.h"

#include <algorithm>
#include <fmt/format.h>
#include <set>

namespace quern {

namespace {

constexpr LoopType kIndex{Scalar::I64, 1};
// What one function can hold: more is a mistake, or meant to take the machine's memory. Ours have a tenth of each.
constexpr size_t kMaxBuffers = 64;
constexpr int64_t kMaxRegisters = 4096;

class Verifier {
public:
  explicit Verifier(const LoopProgram& program) : program_(program) {}

  Result<void> run() {
    isa_ = findIsaLevel(program_.contract.level);
    if (isa_ == nullptr) fail(fmt::format("isa {} is no base level", program_.contract.level));
    if (program_.buffers.size() > kMaxBuffers) fail(fmt::format("{} buffers; at most {}", program_.buffers.size(), kMaxBuffers));
    for (int id : program_.dims) {
      inScope_.insert(id);
      dimNames_.push_back(program_.vars[static_cast<size_t>(id)].name);
    }
    for (int id : program_.strideParams) inScope_.insert(id);
    for (const LoopBuffer& buffer : program_.buffers) {
      if (buffer.shape.size() != buffer.strides.size())
        fail(fmt::format("buffer {} has {} dimensions and {} strides", buffer.name, buffer.shape.size(), buffer.strides.size()));
      for (const auto* list : {&buffer.shape, &buffer.strides})
        for (const LoopExprRef& e : *list) index(e);
      if (buffer.isScratch()) denseScratch(buffer);
    }
    if (program_.phases.empty() || program_.phases.size() > 3) fail(fmt::format("{} phases; 1 to 3 are needed", program_.phases.size()));
    for (const LoopPhase& phase : program_.phases) {
      index(phase.tasks);
      formula(phase.tasks);
      inScope_.insert(phase.taskVar);
      block(phase.body);
      inScope_.erase(phase.taskVar);
    }
    if (failed_.empty())
      if (auto good = checkWrittenOut(program_); !good) failed_ = good.error().message;
    if (!failed_.empty()) return badInput(fmt::format("loop program '{}': {}", escapedShort(program_.name), failed_));
    return {};
  }

private:
  void fail(std::string why) {
    if (failed_.empty()) failed_ = std::move(why);
  }
  void wrong(const LoopExprRef& e, std::string_view why) { fail(fmt::format("{}: {}", escapedShort(text(e, program_)), why)); }

  void index(const LoopExprRef& e) {
    expr(e);
    if (e->type != kIndex) wrong(e, fmt::format("is {}, i64 is needed", text(e->type)));
  }

  /// What the caller works out before the kernel runs.
  void formula(const LoopExprRef& e) {
    if (!failed_.empty()) return;
    if (auto parsed = Formula::parse(text(e, program_), dimNames_); !parsed)
      wrong(e, "a formula of the dimensions (+ - * / % min max) is needed");
  }
  /// The caller gives as many elements as the shape has: strides must not lead out of them.
  void denseScratch(const LoopBuffer& buffer) {
    if (buffer.element != Scalar::F32 && buffer.element != Scalar::I32) fail(fmt::format("scratch {} is not f32 or i32", buffer.name));
    for (const LoopExprRef& extent : buffer.shape) formula(extent);
    Value stride = 1;
    for (size_t i = buffer.shape.size(); i > 0 && failed_.empty(); --i) {
      if (text(buffer.strides[i - 1], program_) != text(stride.expr(), program_))
        fail(fmt::format("scratch {}: stride {} is {}, {} is needed", buffer.name, i - 1,
                         escapedShort(text(buffer.strides[i - 1], program_)), text(stride.expr(), program_)));
      stride = stride * Value(buffer.shape[i - 1]);
    }
  }

  /// Does `e` depend only on constants and on the variables of unrolled loops?
  bool isUnrolledConstant(const LoopExprRef& e) const {
    if (e->kind == LoopExpr::Kind::Const) return true;
    if (e->kind == LoopExpr::Kind::Var) return unrolled_.count(e->id) != 0;
    if (e->kind != LoopExpr::Kind::Op || e->args.size() != 2) return false;
    return isUnrolledConstant(e->args[0]) && isUnrolledConstant(e->args[1]);
  }

  void access(int id, const std::vector<LoopExprRef>& args, size_t from, size_t rank, std::string_view what) {
    if (id < 0 || static_cast<size_t>(id) >= program_.buffers.size())
      return fail(fmt::format("{} of buffer {}; there are {}", what, id, program_.buffers.size()));
    const LoopBuffer& buffer = program_.buffers[static_cast<size_t>(id)];
    if (rank != buffer.shape.size())
      return fail(fmt::format("{} of {} with {} indices; it has {} dimensions", what, buffer.name, rank, buffer.shape.size()));
    for (size_t i = from; i < from + rank; ++i) index(args[i]);
  }
  void regAccess(int id, const std::vector<LoopExprRef>& args, size_t from) {
    if (id < 0 || static_cast<size_t>(id) >= program_.regs.size())
      return fail(fmt::format("register array {}; there are {}", id, program_.regs.size()));
    const LoopReg& reg = program_.regs[static_cast<size_t>(id)];
    if (regs_.count(id) == 0) fail(fmt::format("register array {} is used outside its block", reg.name));
    if (args.size() - from != reg.dims.size())
      fail(fmt::format("register array {} with {} indices; it has {}", reg.name, args.size() - from, reg.dims.size()));
    for (size_t i = from; i < args.size(); ++i) {
      index(args[i]);
      if (!isUnrolledConstant(args[i])) wrong(args[i], "a register index must be constant or an unrolled loop's");
    }
  }
  void mask(const LoopExprRef& m, int lanes) {
    expr(m);
    if (m->type != LoopType{Scalar::Bool, lanes}) wrong(m, fmt::format("is {}, a mask of {} lanes is needed", text(m->type), lanes));
  }

  void expr(const LoopExprRef& ref) {
    const LoopExpr& e = *ref;
    if (!failed_.empty()) return;
    if (e.masked && e.type.lanes == 1) return wrong(ref, "a mask needs more than one lane");
    switch (e.kind) {
      case LoopExpr::Kind::Const:
        if (e.type.scalar == Scalar::I32 && e.integer != static_cast<int32_t>(e.integer)) wrong(ref, "does not fit i32");
        return;
      case LoopExpr::Kind::Var:
        if (inScope_.count(e.id) == 0) wrong(ref, "is used outside its block");
        if (e.type != program_.vars[static_cast<size_t>(e.id)].type) wrong(ref, "has another type than its declaration");
        return;
      case LoopExpr::Kind::Load:
        access(e.id, e.args, 0, e.args.size() - (e.masked ? 1 : 0), "load");
        if (Scalar held = program_.buffers[static_cast<size_t>(e.id)].element; !mayBeReadAs(held, e.stored))
          wrong(ref, fmt::format("is stored as {}", text(held)));
        if (e.type.scalar != valueOf(e.stored) && e.type.scalar != e.stored)
          wrong(ref, fmt::format("{} is loaded as {}", text(e.stored), text(LoopType{valueOf(e.stored), e.type.lanes})));
        if (e.masked) mask(e.args.back(), e.type.lanes);
        return;
      case LoopExpr::Kind::RegGet: return regAccess(e.id, e.args, 0);
      case LoopExpr::Kind::ToLine: return access(e.id, e.args, 0, e.args.size(), "to_line");
      case LoopExpr::Kind::Op: break;
    }
    for (const LoopExprRef& arg : e.args) expr(arg);
    if (failed_.empty()) operation(ref);
  }

  void operation(const LoopExprRef& ref) {
    const LoopExpr& e = *ref;
    const LoopNode& node = nodeOf(e.op);
    if (e.args.size() != static_cast<size_t>(node.arity))
      return wrong(ref, fmt::format("{} arguments; {} are needed", e.args.size(), node.arity));
    LoopType type = e.type;
    if (std::string why = node.type(e, type); !why.empty()) return wrong(ref, why);
    if (type != e.type) return wrong(ref, fmt::format("is {}, {} is needed", text(e.type), text(type)));
    if (needsFlushed(e, program_.contract) && !flushed_) return wrong(ref, "stands in no flushed block");
    if (node.needs != nullptr && isa_ != nullptr && !(isa_->*node.needs)) wrong(ref, fmt::format("{} has no {}", isa_->name, node.needed));
  }

  void block(const std::vector<LoopStmt>& stmts) {
    std::set<int> varsBefore = inScope_, regsBefore = regs_;
    for (const LoopStmt& stmt : stmts)
      if (failed_.empty()) statement(stmt);
    inScope_ = std::move(varsBefore);
    regs_ = std::move(regsBefore);
  }

  void statement(const LoopStmt& s) {
    switch (s.kind) {
      case LoopStmt::Kind::For: {
        for (const LoopExprRef& e : s.args) {
          index(e);
          if (s.unrolled && !isUnrolledConstant(e)) wrong(e, "an unrolled loop needs constant bounds");
        }
        if (const int64_t* step = constantInt(s.args[2]); !s.unrolled && (step == nullptr || *step < 1))
          wrong(s.args[2], "a loop needs a constant step above 0");
        inScope_.insert(s.id);
        if (s.unrolled) unrolled_.insert(s.id);
        block(s.body);
        inScope_.erase(s.id);
        return;
      }
      case LoopStmt::Kind::Let:
        expr(s.args[0]);
        inScope_.insert(s.id);
        return;
      case LoopStmt::Kind::Store: return store(s);
      case LoopStmt::Kind::Reg:
        expr(s.args[0]);
        if (s.args[0]->type != program_.regs[static_cast<size_t>(s.id)].type) wrong(s.args[0], "is not of the register array's type");
        declared(program_.regs[static_cast<size_t>(s.id)]);
        regs_.insert(s.id);
        return;
      case LoopStmt::Kind::Set:
        expr(s.args[0]);
        regAccess(s.id, s.args, 1);
        if (s.args[0]->type != program_.regs[static_cast<size_t>(s.id)].type) wrong(s.args[0], "is not of the register array's type");
        return;
      case LoopStmt::Kind::If:
        mask(s.args[0], 1);
        block(s.body);
        block(s.otherwise);
        return;
      case LoopStmt::Kind::Flushed:
        if (flushed_) return fail("flushed within flushed");
        if (isa_ != nullptr && isa_->arch != "x86_64")
          return fail(fmt::format("{} flushes before it rounds: no flushed block", isa_->name));
        flushed_ = true;
        block(s.body);
        flushed_ = false;
        return;
      case LoopStmt::Kind::Prefetch: return access(s.id, s.args, 0, s.args.size(), "prefetch");
      case LoopStmt::Kind::Tiles: return tiles(s);
      case LoopStmt::Kind::TileZero: return (void)shapeOf(s.tiles[0]);
      case LoopStmt::Kind::TileLoad:
      case LoopStmt::Kind::TileStore: return tileMemory(s);
      case LoopStmt::Kind::TileDot: return tileDot(s);
    }
  }

  void feature(std::string_view name, std::string_view what) {
    if (!program_.contract.has(name)) fail(fmt::format("{} in isa {}, which has no {}", what, text(program_.contract), name));
  }
  void tiles(const LoopStmt& s) {
    if (tiles_ != nullptr) return fail("tiles within tiles");
    feature("amx-tile", "tiles");
    if (s.shapes.empty() || s.shapes.size() > TileShape::kMostTiles)
      return fail(fmt::format("{} tiles; 1 to {} are needed", s.shapes.size(), TileShape::kMostTiles));
    for (TileShape shape : s.shapes)
      if (std::min(shape.rows, shape.words) < 1 || shape.rows > TileShape::kMostRows || shape.words > TileShape::kMostWords)
        fail(fmt::format("a tile of {}x{}; 1x1 to {}x{} are there", shape.rows, shape.words, TileShape::kMostRows, TileShape::kMostWords));
    tiles_ = &s.shapes;
    block(s.body);
    tiles_ = nullptr;
  }
  TileShape shapeOf(int tile) {
    size_t count = tiles_ == nullptr ? 0 : tiles_->size();
    if (tile >= 0 && static_cast<size_t>(tile) < count) return (*tiles_)[static_cast<size_t>(tile)];
    fail(fmt::format("tile {}; {} are there", tile, count));
    return {};
  }
  void tileMemory(const LoopStmt& s) {
    (void)shapeOf(s.tiles[0]);
    bool load = s.kind == LoopStmt::Kind::TileLoad;
    access(s.id, s.args, 0, s.args.size(), load ? "tile_load" : "tile_store");
    if (!failed_.empty()) return;
    const LoopBuffer& buffer = program_.buffers[static_cast<size_t>(s.id)];
    if (bytesOf(buffer.element) != 4 || buffer.shape.size() < 2)
      fail(fmt::format("a tile of {}, which has no rows of i32 or f32", buffer.name));
    if (!load && isReadOnly(buffer)) fail(fmt::format("tile_store to {}, which is read only", buffer.name));
  }
  void tileDot(const LoopStmt& s) {
    const TileDotKind& kind = kTileDots[static_cast<size_t>(s.dot)];
    feature(kind.feature, fmt::format("tile_dot of {}", kind.name));
    TileShape sums = shapeOf(s.tiles[0]), a = shapeOf(s.tiles[1]), b = shapeOf(s.tiles[2]);
    if (sums != TileShape{a.rows, b.words} || a.words != b.rows)
      fail(fmt::format("tile_dot of {}x{} by {}x{} into {}x{}", a.rows, a.words, b.rows, b.words, sums.rows, sums.words));
    if (s.tiles[0] == s.tiles[1] || s.tiles[0] == s.tiles[2] || s.tiles[1] == s.tiles[2]) fail("tile_dot of a tile with itself");
  }
  void declared(const LoopReg& reg) {
    int64_t elements = 1;
    for (int dim : reg.dims) elements = std::min(elements * dim, kMaxRegisters + 1);
    registers_ += elements;
    if (registers_ > kMaxRegisters) fail(fmt::format("more than {} registers with {}", kMaxRegisters, reg.name));
  }
  static bool isReadOnly(const LoopBuffer& buffer) { return buffer.role == BufferRole::In || buffer.role == BufferRole::Packed; }
  void store(const LoopStmt& s) {
    const LoopBuffer& buffer = program_.buffers[static_cast<size_t>(s.id)];
    access(s.id, s.args, 1, s.args.size() - 1 - (s.masked ? 1 : 0), "store");
    expr(s.args[0]);
    if (Scalar given = s.args[0]->type.scalar; given != valueOf(buffer.element) && given != buffer.element)
      wrong(s.args[0], fmt::format("is not an element of {}", buffer.name));
    if (s.masked) mask(s.args.back(), s.args[0]->type.lanes);
    if (s.masked && s.args[0]->type.lanes == 1) wrong(s.args[0], "a mask needs more than one lane");
    int bytes = bytesOf(buffer.element) * s.args[0]->type.lanes;
    if (s.past && (s.masked || (bytes != 16 && bytes != 32 && bytes != 64)))
      wrong(s.args[0], "a stream needs a whole vector of 16, 32 or 64 bytes");
    if (isReadOnly(buffer)) fail(fmt::format("store to {}, which is read only", buffer.name));
  }

  const LoopProgram& program_;
  const IsaLevel* isa_ = nullptr;
  std::vector<std::string> dimNames_;
  int64_t registers_ = 0;
  std::set<int> inScope_, regs_, unrolled_;
  bool flushed_ = false;                           ///< within such a block
  const std::vector<TileShape>* tiles_ = nullptr;  ///< of the block around
  std::string failed_;
};

}  // namespace

Result<void> verifyLoops(const LoopProgram& program) { return Verifier(program).run(); }

}  // namespace quern
