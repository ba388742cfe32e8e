// compiler/loops/ops/MatmulEpilogue.h — what a product's outputs go through before they are stored, or once the task's block is.
#pragma once

#include "compiler/loops/build/OpBuild.h"

namespace quern {

/// The operands of ep, and ep applied.
class MatmulEpilogue {
public:
  MatmulEpilogue(OpBuild& build, const MatmulOp& op) : build_(build), op_(op) {}

  /// Declares an operand, what is like C with strides or `dense`.
  void operand(const TensorSpec& spec, bool dense);
  bool any() const { return op_.ep != nullptr; }
  /// Maths functions need registers of their own, and long stretches to overlap in: they run once the block is stored.
  bool runsLater() const;
  /// The epilogue of x, whose first element is at `full` (batch, row, column). Operands are broadcast along every dimension of length one.
  Value of(const Value& x, const std::vector<Value>& full, int lanes, const Value* mask);

private:
  OpBuild& build_;
  const MatmulOp& op_;
  std::vector<std::pair<TensorSpec, BufferRef>> operands_;
};

}  // namespace quern
