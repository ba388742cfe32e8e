// tools/api/python/quern/Ops.cpp — see Ops.h.
#include "tools/api/python/quern/Ops.h"

#include <pybind11/stl.h>

#include <algorithm>

namespace quern::python {

Op::Op(std::shared_ptr<Kernels> kernels, std::string text, std::string schedule, int threads)
    : kernels_(std::move(kernels)), text_(std::move(text)), schedule_(std::move(schedule)), threads_(threads) {}

std::vector<int64_t> Op::keyOf(const std::vector<quern_array>& inputs) {
  std::vector<int64_t> key;
  key.reserve(inputs.size() * 5);
  for (const quern_array& each : inputs) {
    key.push_back(each.type);
    key.push_back(each.rank);
    key.insert(key.end(), each.shape, each.shape + each.rank);
  }
  return key;
}

std::vector<int32_t> Op::learn(quern_op op) {
  quern_op_info info{};
  info.size = sizeof info;
  raiseUnless(quern_op_describe(op, &info));
  std::vector<std::string> names;
  std::vector<int32_t> types;
  for (int i = 0; i <= info.inputs; ++i) {
    quern_operand operand{};
    operand.size = sizeof operand;
    raiseUnless(quern_op_operand(op, i, &operand));
    names.emplace_back(operand.name);
    types.push_back(operand.type);
  }
  if (names_.empty()) names_ = std::move(names), types_ = types;
  return types;
}

int32_t Op::typeInText(size_t index) const {
  auto says = [&](const char* key) { return text_.find(key) != std::string::npos; };
  if (index == 0) return says("in=q8") ? QUERN_Q8 : kUnknownType;
  for (const BlockType& each : blockTypes())
    if (says((std::string(" w=") + each.name).c_str()) || says((std::string("kv_type=") + each.name).c_str())) return each.type;
  return kUnknownType;
}

void Op::prepareAlone(const char* what) {
  if (!known_.empty()) return;
  auto known = std::make_shared<Known>();
  int status = 0;
  {
    py::gil_scoped_release released;
    status = quern_op_prepare(kernels_->context, text_.c_str(), schedule_.empty() ? nullptr : schedule_.c_str(), &known->op);
  }
  if (status == QUERN_BAD_COMMAND)
    throw py::value_error(std::string(what) + ": the op was not called yet, and its text leaves sizes open: " + quern_error_message());
  raiseUnless(status);
  learn(known->op);
  known->key = {-1};  // of no arrays
  known_.push_back(std::move(known));
}

ArrayView Op::input(py::handle given, size_t index) const {
  bool known = index < names_.size();
  auto name = [&] { return "input " + std::to_string(index + 1) + (known ? " (" + names_[index] + ")" : ""); };
  return viewOf(given, name, known ? types_[index] : typeInText(index));
}

void Op::refuseType(size_t index, int32_t type, const py::object& array) const {
  const char* needed = dtypeOf(type);
  throw py::value_error("input " + std::to_string(index + 1) + " (" + names_[index] + "): dtype " +
                        py::str(array.attr("dtype")).cast<std::string>() + ", " + (needed == nullptr ? "uint8" : needed) + " is needed");
}

std::shared_ptr<const Op::Known> Op::prepared(const std::vector<quern_array>& inputs, std::vector<int64_t> key) {
  auto made = std::make_shared<Known>();
  Known& known = *made;
  known.key = std::move(key);
  const char* schedule = schedule_.empty() ? nullptr : schedule_.c_str();
  int status = 0;
  int64_t shape[QUERN_MAX_RANK];
  int rank = 0;
  {
    py::gil_scoped_release released;
    status = quern_op_prepare_for(kernels_->context, text_.c_str(), inputs.data(), static_cast<int>(inputs.size()), schedule, &known.op);
  }
  raiseUnless(status);
  known.types = learn(known.op);
  known.outType = known.types.back();
  raiseUnless(quern_op_output_shape(known.op, inputs.data(), static_cast<int>(inputs.size()), shape, &rank));
  known.outShape.assign(shape, shape + rank);
  Block block = blockOf(known.outType);
  const char* dtype = dtypeOf(known.outType);
  known.outDtype = py::dtype(dtype == nullptr ? "uint8" : dtype);
  if (block.bytes != 0) known.outShape.back() = known.outShape.back() / block.elements * block.bytes;
  return made;
}

std::shared_ptr<const Op::Known> Op::knownFor(const std::vector<quern_array>& inputs) {
  std::vector<int64_t> key = keyOf(inputs);
  auto found = std::find_if(known_.begin(), known_.end(), [&](const auto& each) { return each->key == key; });
  if (found == known_.end()) {
    constexpr size_t kMost = 64;  // shapes that are remembered
    auto known = prepared(inputs, std::move(key));
    if (known_.size() == kMost) known_.pop_back();
    found = known_.insert(known_.begin(), std::move(known));
  }
  if (found != known_.begin()) std::rotate(known_.begin(), found, found + 1);
  return known_.front();
}

/// `out`, or a new array.
ArrayView Op::output(const Known& known, const py::object& out) {
  if (out.is_none()) return viewOf(py::array(known.outDtype, known.outShape), [] { return std::string("out"); }, known.outType);
  if (!py::isinstance<py::array>(out)) throw py::value_error("out: a NumPy array is needed");
  if (!py::reinterpret_borrow<py::array>(out).writeable()) throw py::value_error("out: the array is read-only");
  return viewOf(out, [] { return std::string("out"); }, known.outType);
}

py::object Op::call(const py::args& arrays, const py::object& out, const std::optional<int>& threads) {
  size_t count = arrays.size();
  bool first = names_.empty();
  std::vector<ArrayView> views(count + 1);
  std::vector<quern_array> described(count);
  for (size_t i = 0; i < count; ++i) {
    py::handle given = arrays[i];
    if (py::isinstance<PackedWeight>(given)) {
      const auto& weight = given.cast<const PackedWeight&>();
      described[i] = {nullptr, weight.shape.data(), nullptr, static_cast<int32_t>(weight.shape.size()), weight.type, weight.weight};
      continue;
    }
    views[i] = input(given, i);
    described[i] = views[i].described();
  }
  std::shared_ptr<const Known> known = knownFor(described);
  for (size_t i = 0; first && i < count; ++i)  // now that types are known
    if (described[i].weight == nullptr) described[i] = (views[i] = input(arrays[i], i)).described();
  for (size_t i = 0; i < count; ++i)
    if (views[i].type != known->types[i] && described[i].weight == nullptr) refuseType(i, known->types[i], views[i].array);
  views[count] = output(*known, out);
  described.push_back(views[count].described());
  int asked = threads.value_or(threads_);
  int status = 0;
  {
    py::gil_scoped_release released;
    status = quern_run(known->op, described.data(), static_cast<int>(described.size()), asked);
  }
  raiseUnless(status);
  return views[count].array;
}

std::shared_ptr<PackedWeight> Op::pack(int index, py::handle array) {
  prepareAlone("pack");
  ArrayView view = input(array, static_cast<size_t>(index));
  std::shared_ptr<const Known> known = known_.front();
  quern_array described = view.described();
  quern_weight weight = nullptr;
  int status = 0;
  {
    py::gil_scoped_release released;
    status = quern_pack(known->op, index, &described, &weight);
  }
  raiseUnless(status);
  return std::make_shared<PackedWeight>(weight, std::vector<int64_t>(view.shape, view.shape + view.rank), view.type);
}

py::dict Op::info() {
  prepareAlone("info");
  quern_op_info info{};
  info.size = sizeof info;
  raiseUnless(quern_op_describe(known_.front()->op, &info));
  py::dict out;
  out["op"] = info.text, out["schedule"] = info.schedule, out["schedule_from"] = info.schedule_from, out["kernel_from"] = info.kernel_from;
  out["contract"] = info.contract;
  return out;
}

void defineOps(py::module_& module) {
  py::class_<Kernels, std::shared_ptr<Kernels>>(module, "Kernels", "Where kernels come from: a cache, a bundle, the compiler; for one CPU.")
      .def(py::init([](const std::optional<std::string>& cache, const std::optional<std::string>& bundle,
                       const std::optional<std::string>& cpu, bool noCompiler) {
             auto text = [](const std::optional<std::string>& given) { return given ? given->c_str() : nullptr; };
             return std::make_shared<Kernels>(
                 quern_options{sizeof(quern_options), text(cache), text(bundle), text(cpu), noCompiler ? 1 : 0});
           }),
           py::kw_only(), py::arg("cache") = py::none(), py::arg("bundle") = py::none(), py::arg("cpu") = py::none(),
           py::arg("no_compiler") = false);
  py::class_<PackedWeight, std::shared_ptr<PackedWeight>>(module, "PackedWeight", "A weight in the layout of an op's kernels (Op.pack).")
      .def_property_readonly("shape", [](const PackedWeight& weight) { return py::tuple(py::cast(weight.shape)); });
  py::class_<Op>(module, "Op", "An op that NumPy arrays are given to; quern.op makes them.")
      .def(py::init<std::shared_ptr<Kernels>, std::string, std::string, int>())
      .def("__call__", &Op::call, py::kw_only(), py::arg("out") = py::none(), py::arg("threads") = py::none(),
           "Runs the op on its inputs, in order; returns a new array, or `out`. threads: of this call.")
      .def("pack", &Op::pack, py::arg("index"), py::arg("array"),
           "Input `index`, a weight (const=b), in the layout of this op's kernels: given in place of the array it is not packed in every "
           "call.\n"
           "The array is not needed any more. Of an op whose text leaves sizes out after its first call.")
      .def_property_readonly(
          "info", &Op::info,
          "What it runs with, as for the last call: a dict of op, schedule, schedule_from (\"default\", \"tuned\", \"pinned\" ...),\n"
          "kernel_from (\"cache\", \"compiled\", \"bundle\") and contract, the instructions that its code may use.");
}

}  // namespace quern::python
