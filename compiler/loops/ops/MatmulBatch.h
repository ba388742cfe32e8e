// compiler/loops/ops/MatmulBatch.h — which of A's and of B's batch goes with one of C's: operands that broadcast stand still.
#pragma once

#include "compiler/loops/build/OpBuild.h"

namespace quern {

/// Where one of the batch lies.
struct BatchPlace {
  std::vector<Value> a, b, c;  ///< leading indices of A, B and C
  Value ofA, ofB;              ///< counted through A's own batch, B's own
};

/// An index with more behind it.
std::vector<Value> joined(std::vector<Value> outer, const std::vector<Value>& inner);

/// MatmulOp::asOneProduct, whose m, where it is known only at call time, is made of the op's dimensions from here on.
std::optional<MatmulOp> oneProduct(OpBuild& build, const MatmulOp& op);

class MatmulBatch {
public:
  MatmulBatch(OpBuild& build, const MatmulOp& op);

  /// How many there are of C, of A and of B.
  const Value& count() const { return count_; }
  const Value& countOfA() const { return countOfA_; }
  const Value& countOfB() const { return countOfB_; }
  /// The index-th of C's.
  BatchPlace at(const Value& index) const;
  /// The leading indices of A's, B's index-th own.
  std::vector<Value> ownOfA(const Value& index) const { return apart(a_, index); }
  std::vector<Value> ownOfB(const Value& index) const { return apart(b_, index); }

private:
  /// Sizes of an operand's axes, those in which it stands still while C goes on being 1.
  std::vector<Value> sizesOf(const TensorSpec& spec, size_t axes) const;
  std::vector<Value> apart(const std::vector<Value>& sizes, const Value& index) const;
  std::vector<Value> along(const std::vector<Value>& sizes, const std::vector<Value>& places) const;
  Value counted(const std::vector<Value>& sizes, const std::vector<Value>& places) const;

  OpBuild& build_;
  std::vector<Value> a_, b_, c_;
  bool broadcastsA_, broadcastsB_;
  Value count_, countOfA_, countOfB_;
};

}  // namespace quern
