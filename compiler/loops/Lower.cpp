// compiler/loops/Lower.cpp — reading this file is reading the compiler.
#include "compiler/loops/Lower.h"

#include "compiler/base/Check.h"
#include "compiler/loops/maths/ExpandMaths.h"
#include "compiler/loops/ir/LoopNodes.h"
#include "compiler/loops/ir/LoopPrinter.h"
#include "compiler/loops/ir/LoopVerifier.h"
#include "compiler/loops/ops/OpLoops.h"

#include <algorithm>
#include <fmt/format.h>

namespace quern {

/// The builder of the op's type with the schedule of the op's class.
static void build(OpBuild& into, const OpDesc& op, const Schedule& schedule) {
  std::visit(
      [&]<class Op, class S>(const Op& o, const S& s) {
        if constexpr (std::is_same_v<S, ScheduleFor<Op>>) buildLoops(into, o, s);
        else QUERN_CHECK_FOR(false, text(op));
      },
      op, schedule);
}

Result<LoopProgram> lower(const OpDesc& op, const Schedule& schedule, const Target& target) {
  // 1. May this op have this schedule on this target?
  if (auto good = validate(schedule, op, target); !good) return good.error();
  // 2. Op and schedule meet: the loop nest, tiles, lanes and tails explicit.
  OpBuild into(op, schedule, target);
  build(into, op, schedule);
  LoopProgram program = into.b.take();
  // 3. Maths calls become polynomials.
  program = expandMaths(std::move(program), target.isa().fma, target.isa().tableLookup && !commonMathsOf(op));
  // 4. Whatever comes out must be well-formed.
  if (auto good = verifyLoops(program); !good) return internalError(good.error().message);
  return program;
}

static void collectCalls(const LoopExprRef& e, std::vector<LoopOp>& out) {
  if (isMaths(*e) && std::find(out.begin(), out.end(), e->op) == out.end()) out.push_back(e->op);
  for (const LoopExprRef& arg : e->args) collectCalls(arg, out);
}

static void collectCalls(const std::vector<LoopStmt>& stmts, std::vector<LoopOp>& out) {
  for (const LoopStmt& stmt : stmts) {
    for (const LoopExprRef& arg : stmt.args) collectCalls(arg, out);
    collectCalls(stmt.body, out);
    collectCalls(stmt.otherwise, out);
  }
}

std::vector<LoopOp> mathsOf(const OpDesc& op, const Schedule& schedule, const Target& target) {
  std::vector<LoopOp> calls;
  if (!validate(schedule, op, target)) return calls;
  OpBuild into(op, schedule, target);
  build(into, op, schedule);
  LoopProgram program = into.b.take();
  for (const LoopPhase& phase : program.phases) collectCalls(phase.body, calls);
  return calls;
}

/// Bytes of all scratch buffers of one role, as a formula over the run-time dimensions.
static std::string scratchText(const LoopProgram& program, BufferRole role) {
  std::string total;
  for (const LoopBuffer& buffer : program.buffers) {
    if (buffer.role != role) continue;
    std::string bytes = "4";
    for (const LoopExprRef& extent : buffer.shape) bytes += " * " + text(extent, program);
    total += (total.empty() ? "" : " + ") + bytes;
  }
  return total.empty() ? "0" : total;
}

/// The stride that the caller gives is in it.
static bool takesStride(const LoopExpr& stride, const LoopProgram& program) {
  if (stride.kind == LoopExpr::Kind::Var)
    return std::find(program.strideParams.begin(), program.strideParams.end(), stride.id) != program.strideParams.end();
  return std::any_of(stride.args.begin(), stride.args.end(), [&](const LoopExprRef& arg) { return takesStride(*arg, program); });
}

static KernelBuffer describe(const LoopBuffer& buffer, const TensorSpec& spec, const LoopProgram& program, const OpDesc& op,
                             const Schedule& schedule) {
  KernelBuffer out;
  out.name = buffer.name;
  out.type = spec.type;
  out.use = buffer.role == BufferRole::Out ? BufferUse::Out : buffer.role == BufferRole::InOut ? BufferUse::InOut : BufferUse::In;
  for (const LoopExprRef& stride : buffer.strides) out.strides += takesStride(*stride, program) ? 1 : 0;
  if (buffer.role != BufferRole::Packed) return out;
  const auto& matmul = std::get<MatmulOp>(op);
  out.use = BufferUse::Weight;
  out.pack = {std::get<MatmulSchedule>(schedule).panelWidth(),    matmul.k.value, matmul.n.value, matmul.batchesOfB(), matmul.tb, matmul.w,
              matmul.a != RoundedTo::F32 && !matmul.makesPieces()};
  return out;
}

KernelInfo kernelInfoOf(const LoopProgram& program, const OpDesc& op, const Schedule& schedule) {
  KernelInfo info;
  info.op = text(op);
  info.schedule = text(schedule);
  info.contract = text(program.contract);
  info.order = orderOf(schedule);
  for (int id : program.dims) info.dims.push_back(program.vars[static_cast<size_t>(id)].name);
  std::vector<TensorSpec> specs = inputsOf(op);
  specs.push_back(outputOf(op));
  for (const LoopBuffer& buffer : program.buffers)
    if (!buffer.isScratch()) info.buffers.push_back(describe(buffer, specs[info.buffers.size()], program, op, schedule));
  auto formula = [&](const std::string& given) {
    auto parsed = Formula::parse(given, info.dims);
    QUERN_CHECK_FOR(static_cast<bool>(parsed), given);
    return *parsed;
  };
  for (const LoopPhase& phase : program.phases) info.phases.push_back(formula(text(phase.tasks, program)));
  info.sharedScratchBytes = formula(scratchText(program, BufferRole::SharedScratch));
  info.threadScratchBytes = formula(scratchText(program, BufferRole::ThreadScratch));
  return info;
}

}  // namespace quern
