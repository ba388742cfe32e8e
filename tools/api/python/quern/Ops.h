// tools/api/python/quern/Ops.h — quern.op(...): an op that is prepared when the first arrays come.
#pragma once

#include "tools/api/python/quern/Arrays.h"

#include <memory>
#include <optional>

namespace quern::python {

/// Kernels of one cache, bundle and CPU.
class Kernels {
public:
  Kernels(const quern_options& options) { raiseUnless(quern_open(&options, &context)); }
  Kernels(const Kernels&) = delete;
  ~Kernels() { quern_close(context); }
  quern_context context = nullptr;
};

/// A weight that is packed; for ops that pack alike.
class PackedWeight {
public:
  PackedWeight(quern_weight packed, std::vector<int64_t> extents, int32_t of) : weight(packed), shape(std::move(extents)), type(of) {}
  PackedWeight(const PackedWeight&) = delete;
  ~PackedWeight() { quern_weight_free(weight); }
  quern_weight weight;
  std::vector<int64_t> shape;
  int32_t type;
};

/// Callable from any thread; the GIL is released while kernels are made and run.
class Op {
public:
  Op(std::shared_ptr<Kernels> kernels, std::string text, std::string schedule, int threads);
  Op(const Op&) = delete;

  py::object call(const py::args& arrays, const py::object& out, const std::optional<int>& threads);
  std::shared_ptr<PackedWeight> pack(int index, py::handle array);
  /// What it runs with for the arrays of the last call. Errors: ValueError: it was not called, and its text leaves sizes open.
  py::dict info();

private:
  /// The op for arrays of certain types and shapes.
  struct Known {
    Known() = default;
    Known(const Known&) = delete;
    ~Known() {
      if (op != nullptr) quern_op_free(op);
    }
    std::vector<int64_t> key;
    quern_op op = nullptr;
    std::vector<py::ssize_t> outShape;  ///< as NumPy has it
    py::dtype outDtype;
    int32_t outType = QUERN_F32;
    std::vector<int32_t> types;  ///< of its operands
  };
  /// Names and types of operands, which it gives, from an op prepared.
  std::vector<int32_t> learn(quern_op op);
  /// The type of input `index` before that: of weights and keys in blocks, which come as bytes, the text says it.
  int32_t typeInText(size_t index) const;
  /// Of a text that leaves no size out, before it was called. Errors: ValueError: it does.
  void prepareAlone(const char* what);
  static std::vector<int64_t> keyOf(const std::vector<quern_array>& inputs);
  std::shared_ptr<const Known> knownFor(const std::vector<quern_array>& inputs);
  std::shared_ptr<const Known> prepared(const std::vector<quern_array>& inputs, std::vector<int64_t> key);
  ArrayView input(py::handle given, size_t index) const;
  [[noreturn]] void refuseType(size_t index, int32_t type, const py::object& array) const;
  static ArrayView output(const Known& known, const py::object& out);

  std::shared_ptr<Kernels> kernels_;
  std::string text_, schedule_;
  int threads_;
  std::vector<std::string> names_;  ///< of operands, the output's last; empty: not known yet
  std::vector<int32_t> types_;
  std::vector<std::shared_ptr<const Known>> known_;  ///< the last one that served in front
};

void defineOps(py::module_& module);
void defineModels(py::module_& module);

}  // namespace quern::python
