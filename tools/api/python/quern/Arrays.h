// tools/api/python/quern/Arrays.h — Python's arrays as the C interface describes arrays.
#pragma once

#include "tools/api/quern.h"

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <functional>
#include <span>
#include <string>
#include <vector>

namespace quern::python {

namespace py = pybind11;

/// Throws what a status stands for: ValueError for wrong arguments and inputs, KeyboardInterrupt after Ctrl-C, else quern.Error.
void raiseUnless(int status);
/// The same with a message of another thread's.
void raiseStatus(int status, const std::string& message);

/// A NumPy array, or what became one without a copy (DLPack), with shape and strides as the library wants them.
struct ArrayView {
  py::object array;  ///< keeps it
  void* data = nullptr;
  int64_t shape[QUERN_MAX_RANK] = {}, strides[QUERN_MAX_RANK] = {};  ///< strides: in elements, where strided
  int32_t rank = 0, type = QUERN_F32;
  bool strided = false;
  /// Valid as long as this is.
  quern_array described() const { return {data, shape, strided ? strides : nullptr, rank, type, nullptr}; }
};

/// How messages call an argument: made only where there is one.
using Naming = const std::function<std::string()>&;

/// The operand's type where it is not known yet: any dtype passes as float32's then, for the shapes alone.
constexpr int32_t kUnknownType = -1;
/// A number, a NumPy array, or anything with __dlpack__. Block-quantised weights are bytes (uint8) of whole blocks: `operandType` says so.
/// Errors   ValueError naming it, the dtype or the layout, and what would be right.
ArrayView viewOf(py::handle given, Naming name, int32_t operandType);

/// What NumPy calls a type; nullptr: it has none. bf16 is '|V2'.
const char* dtypeOf(int32_t type);

/// So many bytes for so many elements of a type that is stored in blocks. {1, 0}: it is not.
struct Block {
  int64_t elements, bytes;
};
Block blockOf(int32_t type);
/// What weights have blocks of, as an op's text calls it.
struct BlockType {
  const char* name;
  int32_t type;
  Block block;
};
std::span<const BlockType> blockTypes();

}  // namespace quern::python
