// tools/api/Op.cpp — preparing ops, saying what they are, packing their weights.
#include "tools/api/Op.h"

#include "compiler/base/Text.h"
#include "compiler/store/WeightPacking.h"

#include <algorithm>
#include <fmt/format.h>

namespace quern::api {

Result<std::unique_ptr<BoundCall>> PreparedOp::take(Arrays arrays, int threads) {
  std::unique_ptr<BoundCall> call;
  {
    std::lock_guard lock(guard_);
    for (size_t i = idle_.size(); i-- > 0 && call == nullptr;)
      if (idle_[i]->serves(arrays, threads)) {
        call = std::move(idle_[i]);
        idle_.erase(idle_.begin() + static_cast<std::ptrdiff_t>(i));
      }
  }
  if (call == nullptr) {
    auto made = BoundCall::make(op, kernels, arrays, threads);
    if (!made) return made.error();
    call = std::move(*made);
  }
  if (auto good = call->place(arrays); !good) return good.error();
  return call;
}

void PreparedOp::giveBack(std::unique_ptr<BoundCall> call) noexcept {
  call->letGo();
  std::unique_ptr<BoundCall> oldest;
  std::lock_guard lock(guard_);
  if (idle_.size() == kMostIdle) {
    oldest = std::move(idle_.front());
    idle_.erase(idle_.begin());
  }
  idle_.push_back(std::move(call));
}

namespace {

Result<std::vector<std::vector<int64_t>>> shapesOf(const quern_array* inputs, int count) {
  std::vector<std::vector<int64_t>> shapes;
  if (count < 0 || (count > 0 && inputs == nullptr))
    return badCommand(fmt::format("inputs: {} are given, count is {}", inputs == nullptr ? "none" : "some", count));
  for (int i = 0; i < count; ++i) {
    auto form = ArrayForm::of(inputs[i]);
    if (!form) return Error{form.error().code, fmt::format("input {}: {}", i + 1, form.error().message)};
    shapes.push_back(form->extents());
  }
  return shapes;
}

Result<void> handOutOp(std::shared_ptr<Context> context, const OpDesc& op, const char* schedule, quern_op* out) {
  auto kernels = schedule == nullptr || *schedule == 0 ? context->kernels.kernels(op) : context->library.kernels(op, schedule);
  if (!kernels) return kernels.error();
  auto prepared = std::make_shared<PreparedOp>();
  prepared->context = std::move(context);
  prepared->op = op;
  prepared->kernels = std::move(*kernels);
  prepared->text = text(op);
  prepared->operands = inputsOf(op);
  prepared->operands.push_back(outputOf(op));
  return handOut(std::move(prepared), out);
}

Result<void> prepare(quern_context handle, const char* op, const char* schedule, quern_op* out) {
  auto context = heldBy<Context>(handle);
  if (!context) return context.error();
  for (const auto& good : {given(op, "text"), given(out, "out")})
    if (!good) return good;
  auto parsed = parseOp(op);
  if (!parsed) return parsed.error();
  return handOutOp(std::move(*context), *parsed, schedule, out);
}

/// The op that serves all arrays of such ranks, unless the bundle has one for these, or one is made for these very sizes.
OpDesc openedUp(const Context& context, const OpDesc& exact, std::string_view text) {
  if (parseOp(text)) return exact;  // it leaves nothing out
  if (auto bundled = context.library.bundledFor(exact)) return *bundled;
  auto choice = context.library.choose(exact);
  bool own = choice && choice->from != "default";
  return own ? exact : withRuntimeDims(exact);
}

Result<void> prepareFor(quern_context handle, const char* op, const quern_array* inputs, int count, const char* schedule, quern_op* out) {
  auto context = heldBy<Context>(handle);
  if (!context) return context.error();
  for (const auto& good : {given(op, "text"), given(out, "out")})
    if (!good) return good;
  auto shapes = shapesOf(inputs, count);
  if (!shapes) return shapes.error();
  std::vector<ElementType> types;
  for (int i = 0; i < count; ++i) types.push_back(static_cast<ElementType>(inputs[i].type));
  auto exact = parseOpFor(op, *shapes, types);
  if (!exact) return exact.error();
  if (auto fits = bindDims(*exact, *shapes); !fits) return fits.error();
  return handOutOp(*context, openedUp(**context, *exact, op), schedule, out);
}

Result<void> describe(quern_op handle, quern_op_info* info) {
  auto op = heldBy<PreparedOp>(handle);
  if (!op) return op.error();
  const CompiledKernel& kernel = *(*op)->kernels.wide;
  quern_op_info full{};
  full.text = (*op)->text.c_str();
  full.schedule = kernel.info.schedule.c_str();
  full.schedule_from = (*op)->kernels.from.c_str();
  full.kernel_from = kernel.origin.c_str();
  full.contract = kernel.info.contract.c_str();
  full.inputs = static_cast<int>((*op)->operands.size()) - 1;
  return fillIn(full, info, "quern_op_info");
}

Result<void> operandOf(quern_op handle, int index, quern_operand* operand) {
  auto op = heldBy<PreparedOp>(handle);
  if (!op) return op.error();
  const std::vector<TensorSpec>& operands = (*op)->operands;
  if (index < 0 || index >= static_cast<int>(operands.size()))
    return badCommand(fmt::format("index is {}, the op has operands 0 to {}", index, operands.size() - 1));
  const TensorSpec& spec = operands[static_cast<size_t>(index)];
  const KernelInfo& kernel = (*op)->kernels.info();
  auto added = accumulatedInput(kernel);
  bool isOutput = index + 1 == static_cast<int>(operands.size());
  const KernelBuffer& buffer = !isOutput ? kernel.buffers[static_cast<size_t>(index)]
                               : added   ? kernel.buffers[*added]
                                         : kernel.buffers.back();
  quern_operand full{};
  full.name = spec.name.c_str();
  full.rank = static_cast<int32_t>(spec.dims.size());
  for (size_t i = 0; i < spec.dims.size(); ++i) full.shape[i] = spec.dims[i].value;
  full.type = static_cast<int32_t>(spec.type);
  full.strided = buffer.use == BufferUse::Weight ? 0 : buffer.strides;
  full.packed = buffer.use == BufferUse::Weight ? 1 : 0;
  return fillIn(full, operand, "quern_operand");
}

Result<void> outputShape(quern_op handle, const quern_array* inputs, int count, int64_t* shape, int* rank) {
  auto op = heldBy<PreparedOp>(handle);
  if (!op) return op.error();
  for (const auto& good : {given(shape, "shape"), given(rank, "rank")})
    if (!good) return good;
  auto shapes = shapesOf(inputs, count);
  if (!shapes) return shapes.error();
  auto dims = bindDims((*op)->op, *shapes);
  if (!dims) return dims.error();
  std::vector<int64_t> extents = outputOf(fixed((*op)->op, *dims)).extents();
  std::copy(extents.begin(), extents.end(), shape);
  *rank = static_cast<int>(extents.size());
  return {};
}

Result<void> pack(quern_op handle, int index, const quern_array* array, quern_weight* out) {
  auto op = heldBy<PreparedOp>(handle);
  if (!op) return op.error();
  for (const auto& good : {given(array, "array"), given(out, "out")})
    if (!good) return good;
  const KernelInfo& kernel = (*op)->kernels.info();
  if (index < 0 || index + 1 >= static_cast<int>((*op)->operands.size()))
    return badCommand(fmt::format("index is {}, the op has inputs 0 to {}", index, (*op)->operands.size() - 2));
  const KernelBuffer& buffer = kernel.buffers[static_cast<size_t>(index)];
  const TensorSpec& spec = (*op)->operands[static_cast<size_t>(index)];
  if (buffer.use != BufferUse::Weight)
    return badCommand(fmt::format("{}: input {} ({}) is read as it is: it needs no packing", (*op)->text, index + 1, spec.name));
  auto form = ArrayForm::of(*array);
  if (!form) return form.error();
  if (form->type != static_cast<int32_t>(spec.type) || form->extents() != spec.extents() || form->strided || array->weight != nullptr)
    return badInput(fmt::format("{}: input {} ({}): {} {} is needed, dense", (*op)->text, index + 1, spec.name, shapeText(spec.extents()),
                                text(spec.type)));
  if (array->data == nullptr && form->elementsCovered() > 0)
    return badInput(fmt::format("input {} ({}): its data is NULL", index + 1, spec.name));
  auto weight = std::make_shared<Weight>();
  weight->layout = buffer.pack;
  weight->data = std::make_unique<std::byte[]>(static_cast<size_t>(std::max<int64_t>(1, buffer.pack.bytes())));
  packWeight(buffer.pack, array->data, weight->data.get());
  return handOut(std::move(weight), out);
}

}  // namespace

}  // namespace quern::api

using namespace quern::api;

int quern_op_prepare(quern_context context, const char* text, const char* schedule, quern_op* out) {
  noHandleYet(out);
  return answeredOnOwnStack([&] { return prepare(context, text, schedule, out); });
}

int quern_op_prepare_for(quern_context context, const char* text, const quern_array* inputs, int count, const char* schedule,
                         quern_op* out) {
  noHandleYet(out);
  return answeredOnOwnStack([&] { return prepareFor(context, text, inputs, count, schedule, out); });
}

int quern_op_free(quern_op op) { return freed<PreparedOp>(op); }

int quern_op_describe(quern_op op, quern_op_info* info) {
  return answered([&] { return describe(op, info); });
}

int quern_op_operand(quern_op op, int index, quern_operand* operand) {
  return answered([&] { return operandOf(op, index, operand); });
}

int quern_op_output_shape(quern_op op, const quern_array* inputs, int count, int64_t* shape, int* rank) {
  return answered([&] { return outputShape(op, inputs, count, shape, rank); });
}

int quern_pack(quern_op op, int index, const quern_array* array, quern_weight* out) {
  noHandleYet(out);
  return answered([&] { return pack(op, index, array, out); });
}

int quern_weight_free(quern_weight weight) { return freed<Weight>(weight); }
