// compiler/loops/ops/MatmulEpilogue.h — what a product's outputs go through before they are stored, or once the task's block is.
#pragma once

#include "compiler/loops/build/OpBuild.h"

#include <array>

namespace quern {

/// The operands of ep, and ep applied. Places are batch, row, column, also where there is one batch only.
class MatmulEpilogue {
public:
  MatmulEpilogue(OpBuild& build, const MatmulOp& op) : build_(build), op_(op) {}

  /// Declares an operand.
  void operand(const TensorSpec& spec);
  bool any() const { return op_.ep != nullptr; }
  /// Maths functions need registers of their own, and long stretches to overlap in: they run once the block is stored.
  bool runsLater() const;
  /// The epilogue of x, whose first element is at `full`. Operands are broadcast along every dimension of length one.
  Value of(const Value& x, const std::array<Value, 3>& full, int lanes, const Value* mask);

private:
  OpBuild& build_;
  const MatmulOp& op_;
  std::vector<std::pair<TensorSpec, BufferRef>> operands_;
};

}  // namespace quern
