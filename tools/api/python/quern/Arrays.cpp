// tools/api/python/quern/Arrays.cpp — see Arrays.h.
#include "tools/api/python/quern/Arrays.h"

#include <algorithm>
#include <type_traits>

namespace quern::python {

void raiseStatus(int status, const std::string& message) {
  if (status == QUERN_BAD_COMMAND || status == QUERN_BAD_INPUT) throw py::value_error(message);
  py::object error = py::module_::import("quern").attr("Error");
  PyErr_SetObject(error.ptr(), error(message, status).ptr());
  throw py::error_already_set();
}

void raiseUnless(int status) {
  if (PyErr_Occurred() != nullptr) throw py::error_already_set();  // a callback's: it ended the call
  if (status != QUERN_OK) raiseStatus(status, quern_error_message());
}

namespace {

struct Dtype {
  int32_t type;
  const char* name;
  char kind;
  int size;
};
constexpr Dtype kDtypes[] = {{QUERN_F32, "float32", 'f', 4}, {QUERN_I32, "int32", 'i', 4},  {QUERN_F16, "float16", 'f', 2},
                             {QUERN_BF16, "V2", 'V', 2},     {QUERN_I8, "int8", 'i', 1},    {QUERN_U8, "uint8", 'u', 1},
                             {QUERN_I16, "int16", 'i', 2},   {QUERN_U16, "uint16", 'u', 2}, {QUERN_F64, "float64", 'f', 8},
                             {QUERN_I64, "int64", 'i', 8},   {QUERN_BOOL, "bool", 'b', 1},  {QUERN_U32, "uint32", 'u', 4},
                             {QUERN_U64, "uint64", 'u', 8}};

std::string nameOf(const py::dtype& dtype) { return py::str(static_cast<const py::object&>(dtype)).cast<std::string>(); }

/// -1: a dtype of no operand.
int32_t typeOf(const py::dtype& dtype) {
  char kind = dtype.kind();
  auto size = dtype.itemsize();
  if (dtype.byteorder() == '>') return -1;
  for (const Dtype& each : kDtypes)
    if (kind == each.kind && size == each.size) return each.type;
  return -1;
}

bool isNumber(py::handle given) {
  static const py::handle kScalar =
      py::object(py::module_::import("numpy").attr("generic")).release();  // NumPy's own, as x.sum() gives them
  return PyFloat_Check(given.ptr()) != 0 || (PyLong_Check(given.ptr()) != 0 && PyBool_Check(given.ptr()) == 0) ||
         (py::isinstance(given, kScalar) && py::hasattr(given, "__float__"));
}

/// A number as an array of rank 0. Errors: ValueError: it is beyond the type.
template <class T>
py::array arrayOfNumber(py::handle given, Naming name) {
  try {
    py::object plain = py::float_(py::reinterpret_borrow<py::object>(given));
    T value = std::is_integral_v<T> ? py::int_(py::reinterpret_borrow<py::object>(given)).cast<T>() : static_cast<T>(plain.cast<double>());
    return py::array(py::dtype::of<T>(), std::vector<py::ssize_t>{}, &value);
  } catch (const std::exception&) {
    PyErr_Clear();
    throw py::value_error(name() + ": the number " + py::str(given).cast<std::string>().substr(0, 40) + " does not fit");
  }
}

/// The array that `given` is, without a copy; a number becomes one of float32, or int32 where that is needed.
py::array arrayOf(py::handle given, Naming name, int32_t operandType) {
  if (isNumber(given)) return operandType == QUERN_I32 ? arrayOfNumber<int32_t>(given, name) : arrayOfNumber<float>(given, name);
  if (py::isinstance<py::array>(given)) {
    if (py::hasattr(given, "mask"))
      throw py::value_error(name() + ": a masked array, whose mask would be lost: .filled() makes a plain one");
    return py::reinterpret_borrow<py::array>(given);
  }
  if (py::hasattr(given, "__dlpack__")) return py::module_::import("numpy").attr("from_dlpack")(given);
  throw py::value_error(name() + ": " + py::str(py::type::handle_of(given).attr("__name__")).cast<std::string>() +
                        " is no array: a NumPy array, an object with __dlpack__, or a number is needed");
}

/// Strides in elements. Errors: ValueError.
void readStrides(ArrayView& view, const py::array& array, Naming name) {
  auto size = array.itemsize();
  for (int i = 0; i < view.rank; ++i) {
    auto bytes = array.strides(i);
    if (bytes < 0 || bytes % size != 0 || (i + 1 == view.rank && bytes != size && view.shape[i] > 1))
      throw py::value_error(name() + ": strides of " + std::to_string(bytes) + " bytes on axis " + std::to_string(i) +
                            ", an array dense along its last axis is needed (numpy.ascontiguousarray)");
    view.strides[i] = i + 1 == view.rank ? 1 : bytes / size;
  }
  view.strided = true;
}

/// Bytes of whole blocks, as elements. Errors: ValueError.
void readBlocks(ArrayView& view, Block block, int32_t type, Naming name) {
  int64_t& row = view.shape[view.rank - 1];
  if (view.strided || row % block.bytes != 0)
    throw py::value_error(name() + ": rows of " + std::to_string(row) + " bytes, whole blocks of " + std::to_string(block.bytes) +
                          " are needed, dense");
  row = row / block.bytes * block.elements;
  view.type = type;
}

}  // namespace

const char* dtypeOf(int32_t type) {
  for (const Dtype& each : kDtypes)
    if (each.type == type) return each.name;
  return nullptr;
}

std::span<const BlockType> blockTypes() {
  static constexpr BlockType kTypes[] = {
      {"q8_0", QUERN_Q8_0, {32, 34}},   {"q4_0", QUERN_Q4_0, {32, 18}},     {"q4_1", QUERN_Q4_1, {32, 20}},
      {"q5_0", QUERN_Q5_0, {32, 22}},   {"q5_1", QUERN_Q5_1, {32, 24}},     {"q2_K", QUERN_Q2_K, {256, 84}},
      {"q3_K", QUERN_Q3_K, {256, 110}}, {"q4_K", QUERN_Q4_K, {256, 144}},   {"q5_K", QUERN_Q5_K, {256, 176}},
      {"q6_K", QUERN_Q6_K, {256, 210}}, {"iq4_nl", QUERN_IQ4_NL, {32, 18}}, {"iq4_xs", QUERN_IQ4_XS, {256, 136}},
      {"mxfp4", QUERN_MXFP4, {32, 17}}};
  return kTypes;
}

Block blockOf(int32_t type) {
  if (type == QUERN_Q8) return {32, 64};
  for (const BlockType& each : blockTypes())
    if (each.type == type) return each.block;
  return {1, 0};
}

ArrayView viewOf(py::handle given, Naming name, int32_t operandType) {
  ArrayView view;
  py::array array = arrayOf(given, name, operandType);
  view.type = typeOf(array.dtype());
  if (view.type < 0 && operandType == kUnknownType) view.type = QUERN_F32;
  if (view.type < 0) {
    const char* needed = dtypeOf(operandType);
    throw py::value_error(name() + ": dtype " + nameOf(array.dtype()) + ", " + (needed == nullptr ? "uint8" : needed) + " is needed");
  }
  if (array.ndim() > QUERN_MAX_RANK) throw py::value_error(name() + ": " + std::to_string(array.ndim()) + " dimensions, at most 8 can be");
  view.rank = static_cast<int32_t>(array.ndim());
  std::copy_n(array.shape(), view.rank, view.shape);
  view.data = const_cast<void*>(array.data());
  if ((array.flags() & py::array::c_style) == 0) readStrides(view, array, name);
  Block block = blockOf(operandType);
  if (block.bytes != 0 && view.type == QUERN_U8 && view.rank > 0) readBlocks(view, block, operandType, name);
  view.array = std::move(array);
  return view;
}

}  // namespace quern::python
