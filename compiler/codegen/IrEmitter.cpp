// compiler/codegen/IrEmitter.cpp — function, arguments, statements, memory. What becomes of a value: IrNodes.cpp.
#include "compiler/codegen/IrEmitter.h"

#include "compiler/base/Check.h"
#include "compiler/codegen/FloatState.h"
#include "compiler/codegen/IrNodes.h"
#include "compiler/codegen/TileIr.h"
#include "compiler/target/Target.h"

#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/Intrinsics.h>
#include <llvm/IR/IntrinsicsX86.h>
#include <llvm/IR/MDBuilder.h>
#include <llvm/IR/Module.h>

#include <functional>
#include <vector>

namespace quern {

namespace {

/// Emits one program as the function `symbol` of `module`. The program has been verified.
class IrEmitter {
public:
  IrEmitter(const LoopProgram& program, llvm::Module& module, const std::string& symbol);
  void run();

private:
  struct BufferIr {
    llvm::Value* base = nullptr;
    std::vector<llvm::Value*> strides;
    llvm::MDNode* scope = nullptr;    ///< alias.scope of accesses to it
    llvm::MDNode* noalias = nullptr;  ///< the scopes of all other buffers
  };

  void declareFunction(const std::string& symbol);
  void bindArguments();
  void bindAliasScopes();
  void bindScratch();
  llvm::Value* argument(unsigned field);
  llvm::Value* element(llvm::Value* array, size_t index, llvm::Type* type);
  void taskLoop();

  llvm::Value* expr(const LoopExprRef& e);
  llvm::Value* load(const LoopExpr& e);
  llvm::Value* toLine(const LoopExpr& e);
  llvm::Value* address(int buffer, const std::vector<LoopExprRef>& args, size_t from);
  llvm::AllocaInst* regElement(int reg, const std::vector<LoopExprRef>& args, size_t from);
  template <class Instruction>
  Instruction* tagged(Instruction* access, int buffer);

  void block(const std::vector<LoopStmt>& stmts);
  void statement(const LoopStmt& s);
  void loop(llvm::Value* begin, llvm::Value* end, llvm::Value* step, const std::string& name,
            const std::function<void(llvm::Value*)>& body);
  void forStatement(const LoopStmt& s);
  void store(const LoopStmt& s);
  void tileStatement(const LoopStmt& s);
  void stream(llvm::Value* value, llvm::Value* at, const LoopStmt& s);
  void branch(llvm::Value* condition, const std::function<void()>& yes, const std::function<void()>& no);
  void declareReg(const LoopStmt& s);

  const LoopProgram& program_;
  const IsaLevel& isa_;
  llvm::Module& module_;
  llvm::LLVMContext& context_;
  llvm::IRBuilder<> ir_;
  llvm::Function* function_ = nullptr;
  llvm::BasicBlock* entry_ = nullptr;
  FloatState* floats_ = nullptr;  ///< of the caller, while tasks are emitted
  bool streams_ = false;          ///< some store goes past the caches
  std::vector<llvm::Value*> vars_;
  std::vector<std::vector<llvm::AllocaInst*>> regs_;
  std::vector<BufferIr> buffers_;
};

template <class Instruction>
Instruction* IrEmitter::tagged(Instruction* access, int buffer) {
  const BufferIr& ir = buffers_[static_cast<size_t>(buffer)];
  access->setMetadata(llvm::LLVMContext::MD_alias_scope, ir.scope);
  access->setMetadata(llvm::LLVMContext::MD_noalias, ir.noalias);
  return access;
}

IrEmitter::IrEmitter(const LoopProgram& program, llvm::Module& module, const std::string& symbol)
    : program_(program),
      isa_(program.contract.isa()),
      module_(module),
      context_(module.getContext()),
      ir_(context_),
      vars_(program.vars.size()),
      regs_(program.regs.size()) {
  declareFunction(symbol);
}

void IrEmitter::run() {
  bindArguments();
  bindAliasScopes();
  bindScratch();
  taskLoop();
}

void IrEmitter::declareFunction(const std::string& symbol) {
  auto* type = llvm::FunctionType::get(ir_.getVoidTy(), {ir_.getPtrTy(), ir_.getInt64Ty(), ir_.getInt64Ty()}, false);
  function_ = llvm::Function::Create(type, llvm::Function::ExternalLinkage, symbol, module_);
  function_->addFnAttr(llvm::Attribute::NoUnwind);
  function_->addFnAttr("no-builtins");  // or a zeroing loop becomes a call of memset
  function_->addFnAttr("target-cpu", isa_.llvmCpu);
  function_->addFnAttr("tune-cpu", isa_.model);
  if (std::string features = program_.contract.llvmFeatures(); !features.empty()) function_->addFnAttr("target-features", features);
  function_->getArg(0)->setName("args");
  function_->getArg(1)->setName("begin");
  function_->getArg(2)->setName("end");
  function_->addParamAttr(0, llvm::Attribute::NoAlias);
  function_->addParamAttr(0, llvm::Attribute::ReadOnly);
  entry_ = llvm::BasicBlock::Create(context_, "entry", function_);
  ir_.SetInsertPoint(entry_);
}

llvm::Value* IrEmitter::argument(unsigned field) { return element(function_->getArg(0), field, ir_.getPtrTy()); }

llvm::Value* IrEmitter::element(llvm::Value* array, size_t index, llvm::Type* type) {
  llvm::Value* at = ir_.CreateConstInBoundsGEP1_64(type, array, index);
  llvm::LoadInst* load = ir_.CreateLoad(type, at);
  load->setMetadata(llvm::LLVMContext::MD_invariant_load, llvm::MDNode::get(context_, {}));
  return load;
}

void IrEmitter::bindArguments() {
  enum { Buffers, Dims, Strides };  // fields of QuernArgs
  llvm::Value* dims = program_.dims.empty() ? nullptr : argument(Dims);
  for (size_t i = 0; i < program_.dims.size(); ++i) vars_[static_cast<size_t>(program_.dims[i])] = element(dims, i, ir_.getInt64Ty());
  llvm::Value* strides = program_.strideParams.empty() ? nullptr : argument(Strides);
  for (size_t i = 0; i < program_.strideParams.size(); ++i)
    vars_[static_cast<size_t>(program_.strideParams[i])] = element(strides, i, ir_.getInt64Ty());
  llvm::Value* given = argument(Buffers);
  size_t next = 0;
  for (const LoopBuffer& buffer : program_.buffers) {
    BufferIr ir;
    if (!buffer.isScratch()) ir.base = element(given, next++, ir_.getPtrTy());
    buffers_.push_back(std::move(ir));
  }
}

void IrEmitter::bindAliasScopes() {
  // Pointers loaded from QuernArgs carry no alias facts of their own: without these LLVM reloads what never changes.
  llvm::MDBuilder metadata(context_);
  llvm::MDNode* domain = metadata.createAnonymousAliasScopeDomain("kernel");
  std::vector<llvm::MDNode*> scopes;
  for (const LoopBuffer& buffer : program_.buffers) scopes.push_back(metadata.createAnonymousAliasScope(domain, buffer.name));
  for (size_t i = 0; i < buffers_.size(); ++i) {
    std::vector<llvm::Metadata*> others;
    for (size_t j = 0; j < scopes.size(); ++j)
      if (j != i) others.push_back(scopes[j]);
    buffers_[i].scope = llvm::MDNode::get(context_, {scopes[i]});
    buffers_[i].noalias = llvm::MDNode::get(context_, others);
  }
}

void IrEmitter::bindScratch() {
  constexpr unsigned kSharedField = 4, kThreadField = 5;
  llvm::Value* next[2] = {nullptr, nullptr};
  for (size_t i = 0; i < buffers_.size(); ++i) {
    const LoopBuffer& buffer = program_.buffers[i];
    for (const LoopExprRef& stride : buffer.strides) buffers_[i].strides.push_back(expr(stride));
    if (buffers_[i].base != nullptr) continue;
    llvm::Value*& at = next[buffer.role == BufferRole::ThreadScratch ? 1 : 0];
    if (at == nullptr) at = argument(buffer.role == BufferRole::ThreadScratch ? kThreadField : kSharedField);
    buffers_[i].base = at;
    llvm::Value* elements = ir_.getInt64(1);
    for (const LoopExprRef& extent : buffer.shape) elements = ir_.CreateMul(elements, expr(extent));
    at = ir_.CreateGEP(ir_.getFloatTy(), at, elements);
  }
}

void IrEmitter::taskLoop() {
  FloatState callers(ir_, isa_.arch);
  floats_ = &callers;
  loop(function_->getArg(1), function_->getArg(2), ir_.getInt64(1), "task", [&](llvm::Value* task) {
    auto* done = llvm::BasicBlock::Create(context_, "task.done", function_);
    for (size_t i = 0; i < program_.phases.size(); ++i) {
      const LoopPhase& phase = program_.phases[i];
      llvm::BasicBlock* otherwise = nullptr;
      llvm::Value* next = nullptr;
      if (i + 1 < program_.phases.size()) {
        llvm::Value* tasks = expr(phase.tasks);
        auto* mine = llvm::BasicBlock::Create(context_, "phase", function_);
        otherwise = llvm::BasicBlock::Create(context_, "later", function_);
        next = ir_.CreateSub(task, tasks);
        ir_.CreateCondBr(ir_.CreateICmpSLT(task, tasks), mine, otherwise);
        ir_.SetInsertPoint(mine);
      }
      vars_[static_cast<size_t>(phase.taskVar)] = task;
      block(phase.body);
      ir_.CreateBr(done);
      if (otherwise != nullptr) ir_.SetInsertPoint(otherwise);
      task = next;
    }
    ir_.SetInsertPoint(done);
  });
  // What streams is ordered with no other store: it must have arrived before the caller tells anyone.
  if (streams_ && isa_.arch == "x86_64") ir_.CreateIntrinsic(llvm::Intrinsic::x86_sse_sfence, {}, {});
  callers.restore();
  ir_.CreateRetVoid();
}

void IrEmitter::loop(llvm::Value* begin, llvm::Value* end, llvm::Value* step, const std::string& name,
                     const std::function<void(llvm::Value*)>& body) {
  auto* header = llvm::BasicBlock::Create(context_, name, function_);
  auto* exit = llvm::BasicBlock::Create(context_, name + ".end", function_);
  llvm::BasicBlock* before = ir_.GetInsertBlock();
  ir_.CreateCondBr(ir_.CreateICmpSLT(begin, end), header, exit);
  ir_.SetInsertPoint(header);
  llvm::PHINode* var = ir_.CreatePHI(ir_.getInt64Ty(), 2, name);
  var->addIncoming(begin, before);
  body(var);
  llvm::Value* next = ir_.CreateNSWAdd(var, step);
  var->addIncoming(next, ir_.GetInsertBlock());
  ir_.CreateCondBr(ir_.CreateICmpSLT(next, end), header, exit);
  ir_.SetInsertPoint(exit);
}

void IrEmitter::block(const std::vector<LoopStmt>& stmts) {
  for (const LoopStmt& stmt : stmts) statement(stmt);
}

void IrEmitter::statement(const LoopStmt& s) {
  switch (s.kind) {
    case LoopStmt::Kind::For: return forStatement(s);
    case LoopStmt::Kind::Let: vars_[static_cast<size_t>(s.id)] = expr(s.args[0]); return;
    case LoopStmt::Kind::Store: return store(s);
    case LoopStmt::Kind::Reg: return declareReg(s);
    case LoopStmt::Kind::Set: {
      llvm::Value* value = expr(s.args[0]);
      ir_.CreateStore(value, regElement(s.id, s.args, 1));
      return;
    }
    case LoopStmt::Kind::If: return branch(expr(s.args[0]), [&] { block(s.body); }, [&] { block(s.otherwise); });
    case LoopStmt::Kind::Flushed:
      floats_->flush();
      block(s.body);
      floats_->unflush();
      return;
    case LoopStmt::Kind::Prefetch: {
      llvm::Value* at = address(s.id, s.args, 0);
      ir_.CreateIntrinsic(llvm::Intrinsic::prefetch, {ir_.getPtrTy()},
                          {at, ir_.getInt32(0), ir_.getInt32(s.past ? 2 : 3), ir_.getInt32(1)});
      return;
    }
    default: return tileStatement(s);
  }
}

void IrEmitter::tileStatement(const LoopStmt& s) {
  TileIr tiles(ir_);
  if (s.kind == LoopStmt::Kind::Tiles) {
    tiles.configure(s.shapes);
    block(s.body);
    return tiles.release();
  }
  bool memory = s.kind == LoopStmt::Kind::TileLoad || s.kind == LoopStmt::Kind::TileStore;
  tiles.emit(s, memory ? address(s.id, s.args, 0) : nullptr, memory ? buffers_[static_cast<size_t>(s.id)].strides.end()[-2] : nullptr);
}

void IrEmitter::forStatement(const LoopStmt& s) {
  llvm::Value *begin = expr(s.args[0]), *end = expr(s.args[1]), *step = expr(s.args[2]);
  if (!s.unrolled) {
    loop(begin, end, step, program_.vars[static_cast<size_t>(s.id)].name, [&](llvm::Value* var) {
      vars_[static_cast<size_t>(s.id)] = var;
      block(s.body);
    });
    return;
  }
  auto constantOf = [](llvm::Value* v) { return llvm::cast<llvm::ConstantInt>(v)->getSExtValue(); };
  for (int64_t i = constantOf(begin); i < constantOf(end); i += constantOf(step)) {
    vars_[static_cast<size_t>(s.id)] = ir_.getInt64(static_cast<uint64_t>(i));
    block(s.body);
  }
}

void IrEmitter::branch(llvm::Value* condition, const std::function<void()>& yes, const std::function<void()>& no) {
  auto* then = llvm::BasicBlock::Create(context_, "then", function_);
  auto* otherwise = llvm::BasicBlock::Create(context_, "else", function_);
  auto* after = llvm::BasicBlock::Create(context_, "after", function_);
  ir_.CreateCondBr(condition, then, otherwise);
  ir_.SetInsertPoint(then);
  yes();
  ir_.CreateBr(after);
  ir_.SetInsertPoint(otherwise);
  no();
  ir_.CreateBr(after);
  ir_.SetInsertPoint(after);
}

void IrEmitter::store(const LoopStmt& s) {
  llvm::Value* value = expr(s.args[0]);
  llvm::Value* at = address(s.id, s.args, 1);
  Scalar stored = program_.buffers[static_cast<size_t>(s.id)].element;
  llvm::Align align(static_cast<uint64_t>(bytesOf(stored)));
  LoopType type = s.args[0]->type;
  if (type.scalar != stored) value = ir_.CreateTrunc(value, memoryType(ir_, stored, type));
  if (s.past) return stream(value, at, s);
  if (!s.masked) tagged(ir_.CreateAlignedStore(value, at, align), s.id);
  else tagged(ir_.CreateMaskedStore(value, at, align, expr(s.args.back())), s.id);
}

/// Only a whole aligned vector can go past the caches: any other address is stored to as always.
void IrEmitter::stream(llvm::Value* value, llvm::Value* at, const LoopStmt& s) {
  streams_ = true;
  uint64_t bytes = value->getType()->getPrimitiveSizeInBits().getFixedValue() / 8;
  auto each = static_cast<uint64_t>(bytesOf(program_.buffers[static_cast<size_t>(s.id)].element));
  llvm::Value* off = ir_.CreateAnd(ir_.CreatePtrToInt(at, ir_.getInt64Ty()), bytes - 1);
  branch(
      ir_.CreateICmpEQ(off, ir_.getInt64(0)),
      [&] {
        auto* one = llvm::ConstantAsMetadata::get(ir_.getInt32(1));
        tagged(ir_.CreateAlignedStore(value, at, llvm::Align(bytes)), s.id)
            ->setMetadata(llvm::LLVMContext::MD_nontemporal, llvm::MDNode::get(context_, {one}));
      },
      [&] { tagged(ir_.CreateAlignedStore(value, at, llvm::Align(each)), s.id); });
}

void IrEmitter::declareReg(const LoopStmt& s) {
  const LoopReg& reg = program_.regs[static_cast<size_t>(s.id)];
  std::vector<llvm::AllocaInst*>& elements = regs_[static_cast<size_t>(s.id)];
  if (elements.empty()) {
    size_t count = 1;
    for (int dim : reg.dims) count *= static_cast<size_t>(dim);
    llvm::IRBuilder<> top(entry_, entry_->begin());
    for (size_t i = 0; i < count; ++i) elements.push_back(top.CreateAlloca(irType(ir_, reg.type), nullptr, reg.name));
  }
  llvm::Value* initial = expr(s.args[0]);
  for (llvm::AllocaInst* each : elements) ir_.CreateStore(initial, each);
}

llvm::Value* IrEmitter::expr(const LoopExprRef& ref) {
  const LoopExpr& e = *ref;
  switch (e.kind) {
    case LoopExpr::Kind::Var: return vars_[static_cast<size_t>(e.id)];
    case LoopExpr::Kind::Load: return load(e);
    case LoopExpr::Kind::ToLine: return toLine(e);
    case LoopExpr::Kind::RegGet: return ir_.CreateLoad(irType(ir_, e.type), regElement(e.id, e.args, 0));
    default: break;
  }
  std::vector<llvm::Value*> args;
  for (const LoopExprRef& arg : e.args) args.push_back(expr(arg));
  return irNode(ir_, e, args, program_.contract);
}

llvm::Value* IrEmitter::address(int buffer, const std::vector<LoopExprRef>& args, size_t from) {
  const BufferIr& ir = buffers_[static_cast<size_t>(buffer)];
  llvm::Value* at = ir.base;
  // One step per dimension, outermost first: what a loop does not change is then a prefix that is hoisted out of it.
  for (size_t i = 0; i < ir.strides.size(); ++i) {
    llvm::Value* offset = ir_.CreateNSWMul(expr(args[from + i]), ir.strides[i]);
    Scalar element = program_.buffers[static_cast<size_t>(buffer)].element;
    at = ir_.CreateInBoundsGEP(memoryType(ir_, element, {valueOf(element), 1}), at, offset);
  }
  return at;
}

llvm::Value* IrEmitter::load(const LoopExpr& e) {
  llvm::Value* at = address(e.id, e.args, 0);
  llvm::Type* type = memoryType(ir_, e.stored, e.type);
  // What lies in a buffer of bytes may begin anywhere.
  llvm::Align align(static_cast<uint64_t>(bytesOf(program_.buffers[static_cast<size_t>(e.id)].element)));
  QUERN_CHECK_FOR(!e.masked || e.type.lanes > 1, program_.name);
  llvm::Value* raw = nullptr;
  if (!e.masked) raw = tagged(ir_.CreateAlignedLoad(type, at, align), e.id);
  else raw = tagged(ir_.CreateMaskedLoad(type, at, align, expr(e.args.back()), llvm::Constant::getNullValue(type)), e.id);
  if (e.type.scalar == e.stored) return raw;
  bool isSigned = e.stored == Scalar::I8 || e.stored == Scalar::I16;
  return isSigned ? ir_.CreateSExt(raw, irType(ir_, e.type)) : ir_.CreateZExt(raw, irType(ir_, e.type));
}

llvm::Value* IrEmitter::toLine(const LoopExpr& e) {
  constexpr uint64_t kLine = 64;
  auto each = static_cast<uint64_t>(bytesOf(program_.buffers[static_cast<size_t>(e.id)].element));
  llvm::Value* at = ir_.CreatePtrToInt(address(e.id, e.args, 0), ir_.getInt64Ty());
  return ir_.CreateUDiv(ir_.CreateAnd(ir_.CreateNeg(at), kLine - 1), ir_.getInt64(each));
}

llvm::AllocaInst* IrEmitter::regElement(int reg, const std::vector<LoopExprRef>& args, size_t from) {
  const LoopReg& declared = program_.regs[static_cast<size_t>(reg)];
  size_t flat = 0;
  for (size_t i = 0; i < declared.dims.size(); ++i) {
    auto* at = llvm::dyn_cast<llvm::ConstantInt>(expr(args[from + i]));
    QUERN_CHECK_FOR(at != nullptr && at->getSExtValue() >= 0 && at->getSExtValue() < declared.dims[i], program_.name);
    flat = flat * static_cast<size_t>(declared.dims[i]) + static_cast<size_t>(at->getSExtValue());
  }
  return regs_[static_cast<size_t>(reg)][flat];
}

}  // namespace

void emitIr(const LoopProgram& program, llvm::Module& module, const std::string& symbol) { IrEmitter(program, module, symbol).run(); }

}  // namespace quern
