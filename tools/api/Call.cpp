// tools/api/Call.cpp — see Call.h.
#include "tools/api/Call.h"

#include "compiler/base/Checked.h"
#include "compiler/store/WeightPacking.h"
#include "tools/api/Answer.h"

#include <algorithm>
#include <fmt/format.h>

namespace quern::api {

// ---- forms ----

static Result<void> checkStrides(const quern_array& array, const ArrayForm& form) {
  int64_t covered = 0;
  for (int i = 0; i < array.rank; ++i) {
    int64_t stride = array.strides[i];
    if (stride < 0) return badInput(fmt::format("stride {} is {}, none is negative", i, stride));
    auto reach = checkedMul(std::max<int64_t>(0, form.shape[i] - 1), stride);
    auto sum = reach ? checkedAdd(covered, *reach) : std::nullopt;
    if (!sum || *sum >= kMaxElements) return badInput(fmt::format("stride {} is {}: more elements than an array can have", i, stride));
    covered = *sum;
  }
  int last = array.rank - 1;
  if (last >= 0 && form.shape[last] > 1 && array.strides[last] != 1)
    return badInput(fmt::format("its last stride is {}, 1 is needed", array.strides[last]));
  return {};
}

Result<ArrayForm> ArrayForm::of(const quern_array& array) {
  ArrayForm form;
  if (array.rank < 0 || array.rank > QUERN_MAX_RANK)
    return badInput(fmt::format("its rank is {}, 0 to {} can be", array.rank, int{QUERN_MAX_RANK}));
  if (array.type < 0 || array.type >= static_cast<int>(elementTypeNames().size()))
    return badInput(fmt::format("its type is {}, which is no quern_type", array.type));
  if (array.rank > 0 && array.shape == nullptr) return badInput("its shape is NULL");
  form.type = array.type, form.rank = array.rank, form.packed = array.weight != nullptr;
  int64_t elements = 1;
  for (int i = 0; i < array.rank; ++i) {
    form.shape[i] = array.shape[i];
    if (form.shape[i] < 0) return badInput(fmt::format("extent {} is {}, none is negative", i, form.shape[i]));
    auto product = checkedMul(elements, std::max<int64_t>(1, form.shape[i]));
    if (!product || *product > kMaxElements)
      return badInput(fmt::format("extent {} is {}: more elements than an array can have", i, form.shape[i]));
    elements = *product;
  }
  if (array.strides == nullptr) return form;
  if (auto good = checkStrides(array, form); !good) return good.error();
  std::vector<int64_t> dense = denseStrides(form.extents());
  for (int i = 0; i + 1 < array.rank; ++i)
    form.strided = form.strided || (array.strides[i] != dense[static_cast<size_t>(i)] && form.shape[i] > 1);
  if (form.strided) std::copy_n(array.strides, array.rank, form.strides);
  return form;
}

/// The strides that a dense array may be given with are dense: of()'s rule, without making anything.
static bool sameStrides(const ArrayForm& form, const int64_t* strides) {
  int64_t dense = 1;
  for (int i = form.rank; i-- > 0;) {
    int64_t expected = form.strided ? form.strides[i] : dense;
    if (strides[i] != expected && form.shape[i] > 1) return false;
    dense *= form.shape[i];
  }
  return true;
}

bool ArrayForm::isOf(const quern_array& array) const {
  if (array.type != type || array.rank != rank || (array.weight != nullptr) != packed || (rank > 0 && array.shape == nullptr)) return false;
  for (int i = 0; i < rank; ++i)
    if (array.shape[i] != shape[i]) return false;
  return array.strides == nullptr ? !strided : sameStrides(*this, array.strides);
}

int64_t ArrayForm::elementsCovered() const {
  int64_t last = 0, dense = 1;
  for (int i = rank; i-- > 0;) {
    if (shape[i] == 0) return 0;
    last += (shape[i] - 1) * (strided ? strides[i] : dense);
    dense *= shape[i];
  }
  return last + 1;
}

// ---- calls ----

/// A message about one operand.
static Error about(const std::string& op, size_t index, size_t inputs, const std::string& name, const Error& error) {
  std::string which = index < inputs ? fmt::format("input {} ({})", index + 1, name) : fmt::format("the output ({})", name);
  return {error.code, fmt::format("{}: {}: {}", op, which, error.message)};
}

Result<void> BoundCall::fit(Operand& operand, const KernelBuffer& buffer) const {
  const TensorSpec& spec = operand.spec;
  ArrayForm& form = operand.form;
  if (form.type != static_cast<int32_t>(spec.type))
    return badInput(fmt::format("its type is {}, {} is needed", text(static_cast<ElementType>(form.type)), text(spec.type)));
  if (form.extents() != spec.extents())
    return badInput(fmt::format("its shape is {}, {} is needed", shapeText(form.extents()), shapeText(spec.extents())));
  if (form.packed && buffer.use != BufferUse::Weight) return badInput("a packed weight is given, this input is read as it is");
  int free = buffer.use == BufferUse::Weight ? 0 : buffer.strides;
  std::vector<int64_t> dense = denseStrides(form.extents());
  for (size_t i = static_cast<size_t>(free); form.strided && i < dense.size(); ++i)
    if (form.strides[i] != dense[i] && form.shape[i] > 1)
      return badInput(fmt::format("its stride {} is {}, {} is needed: {}", i, form.strides[i], dense[i],
                                  free == 0 ? "it must be dense" : "only its leading strides are free"));
  if (buffer.use == BufferUse::Weight) operand.packing = buffer.pack;
  operand.bytes = bytesOf(spec.type, form.elementsCovered());
  return {};
}

/// An output's elements lie apart: from the smallest stride up, each axis steps over all that the ones before cover.
static Result<void> checkApart(const ArrayForm& form) {
  if (!form.strided) return {};
  std::vector<std::pair<int64_t, int>> axes;
  for (int i = 0; i < form.rank; ++i) {
    if (form.shape[i] == 0) return {};
    if (form.shape[i] > 1) axes.emplace_back(form.strides[i], i);
  }
  std::sort(axes.begin(), axes.end());
  int64_t covered = 1;
  for (auto [stride, axis] : axes) {
    if (stride < covered) return badInput(fmt::format("its stride {} is {}: elements would overlap", axis, stride));
    covered += (form.shape[axis] - 1) * stride;
  }
  return {};
}

static std::vector<int64_t> leadingStrides(const ArrayForm& form) {
  if (!form.strided) return {};
  return {form.strides, form.strides + form.rank - 1};
}

Result<std::unique_ptr<BoundCall>> BoundCall::make(const OpDesc& op, const KernelSet& kernels, Arrays arrays, int threads) {
  std::unique_ptr<BoundCall> bound(new BoundCall(threads));
  bound->op_ = text(op);
  std::vector<TensorSpec> inputs = inputsOf(op);
  std::vector<std::vector<int64_t>> shapes;
  std::vector<ArrayForm> forms;
  for (size_t i = 0; i < arrays.size(); ++i) {
    auto form = ArrayForm::of(arrays[i]);
    if (!form) return about(bound->op_, i, inputs.size(), i < inputs.size() ? inputs[i].name : outputOf(op).name, form.error());
    if (i < inputs.size()) shapes.push_back(form->extents());
    forms.push_back(*form);
  }
  auto dims = bindDims(op, shapes);
  if (!dims) return dims.error();
  OpDesc exact = fixed(op, *dims);
  bound->flops_ = flopsOf(exact);
  bound->added_ = accumulatedInput(kernels.info());
  if (const auto* map = std::get_if<MapOp>(&exact); map != nullptr && !map->inPlace.empty())
    for (size_t i = 0; i < inputs.size(); ++i)
      if (inputs[i].name == map->inPlace) bound->replaced_ = i;
  std::vector<TensorSpec> specs = inputsOf(exact);
  specs.push_back(outputOf(exact));
  const std::vector<KernelBuffer>& buffers = kernels.info().buffers;
  CallArguments arguments(exact, *dims);
  static std::byte nowhere[64];  // for as long as there is no address
  for (size_t i = 0; i < specs.size(); ++i) {
    Operand operand{specs[i], forms[i], 0, {}, {}, {}};
    const KernelBuffer& buffer = i < inputs.size() ? buffers[i] : bound->added_ ? buffers[*bound->added_] : buffers.back();
    auto good = bound->fit(operand, buffer);
    if (good && i == inputs.size()) good = checkApart(operand.form);
    if (!good) return about(bound->op_, i, inputs.size(), specs[i].name, good.error());
    if (operand.packing) arguments.packedInput(i, *operand.packing, nowhere);
    else if (i < inputs.size()) arguments.input(i, nowhere, leadingStrides(operand.form));
    else arguments.output(nowhere, leadingStrides(operand.form));
    bound->operands_.push_back(std::move(operand));
  }
  auto call = arguments.call(kernels, threads);
  if (!call) return call.error();
  bound->call_.emplace(std::move(*call));
  return bound;
}

bool BoundCall::serves(Arrays arrays, int threads) const {
  if (threads > threads_ || arrays.size() != operands_.size()) return false;
  for (size_t i = 0; i < arrays.size(); ++i)
    if (!operands_[i].form.isOf(arrays[i])) return false;
  return true;
}

Result<const void*> BoundCall::addressOf(Operand& operand, const quern_array& array) {
  if (operand.form.packed) {
    auto weight = heldBy<Weight>(array.weight);
    if (!weight) return weight.error();
    if ((*weight)->layout != *operand.packing)
      return badInput("the weight was packed for an op that reads it otherwise: quern_pack with this op is needed");
    operand.held = std::move(*weight);
    return static_cast<const void*>(operand.held->data.get());
  }
  if (array.data == nullptr && operand.bytes > 0) return badInput("its data is NULL");
  if (!operand.packing) {
    if (operand.spec.type == ElementType::I32) {
      std::span values(static_cast<const int32_t*>(array.data), static_cast<size_t>(operand.bytes) / sizeof(int32_t));
      if (auto good = checkWhole(operand.spec, values); !good) return good.error();
    }
    return static_cast<const void*>(array.data);
  }
  if (operand.own == nullptr)
    operand.own = std::make_unique<std::byte[]>(static_cast<size_t>(std::max<int64_t>(1, operand.packing->bytes())));
  packWeight(*operand.packing, array.data, operand.own.get());
  return static_cast<const void*>(operand.own.get());
}

Result<void> BoundCall::checkOverlap(Arrays arrays) const {
  auto from = reinterpret_cast<uintptr_t>(arrays.back().data), to = from + static_cast<uintptr_t>(operands_.back().bytes);
  for (size_t i = 0; i + 1 < arrays.size(); ++i) {
    if (operands_[i].form.packed || arrays[i].data == nullptr) continue;
    auto begin = reinterpret_cast<uintptr_t>(arrays[i].data), end = begin + static_cast<uintptr_t>(operands_[i].bytes);
    if (begin >= to || end <= from || begin == end || from == to) continue;
    bool same =
        begin == from && std::equal(operands_[i].form.strides, operands_[i].form.strides + QUERN_MAX_RANK, operands_.back().form.strides);
    if (same && (i == added_ || i == replaced_)) continue;
    return badInput(fmt::format("it overlaps input {} ({})", i + 1, operands_[i].spec.name));
  }
  return {};
}

/// C to where it is added to.
void BoundCall::copyAdded(const void* from, void* to) const {
  const ArrayForm &source = operands_[*added_].form, &target = operands_.back().form;
  std::vector<int64_t> extents = target.extents(), dense = denseStrides(extents);
  int64_t columns = extents.empty() ? 1 : extents.back(), rows = 1;
  for (size_t i = 0; i + 1 < extents.size(); ++i) rows *= extents[i];
  for (int64_t row = 0; row < rows; ++row) {
    int64_t rest = row, at = 0, into = 0;
    for (size_t i = extents.size(); i > 1; --i) {  // all axes but the last
      int64_t extent = extents[i - 2], index = rest % extent;
      rest /= extent;
      at += index * (source.strided ? source.strides[i - 2] : dense[i - 2]);
      into += index * (target.strided ? target.strides[i - 2] : dense[i - 2]);
    }
    std::copy_n(static_cast<const float*>(from) + at, columns, static_cast<float*>(to) + into);
  }
}

void BoundCall::letGo() {
  for (Operand& operand : operands_) operand.held.reset();
}

Result<void> BoundCall::place(Arrays arrays) {
  size_t inputs = operands_.size() - 1;
  auto wrong = [&](size_t i, const Error& error) { return about(op_, i, inputs, operands_[i].spec.name, error); };
  if (arrays.back().data == nullptr && operands_.back().bytes > 0) return wrong(inputs, badInput("its data is NULL"));
  if (auto good = checkOverlap(arrays); !good) return wrong(inputs, good.error());
  for (size_t i = 0; i < inputs; ++i) {
    auto address = addressOf(operands_[i], arrays[i]);
    if (!address) return wrong(i, address.error());
    if (i != added_) call_->setOperand(i, *address);
  }
  if (added_ && arrays[*added_].data != arrays.back().data) copyAdded(arrays[*added_].data, arrays.back().data);  // nothing can fail now
  call_->setOperand(added_ ? *added_ : inputs, arrays.back().data);
  return {};
}

}  // namespace quern::api
