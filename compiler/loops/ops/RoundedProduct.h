// compiler/loops/ops/RoundedProduct.h — a product whose A is rounded before it is multiplied: a phase that does so, and a micro-kernel.
#pragma once

#include "compiler/loops/ops/WeightLoops.h"

#include <memory>

namespace quern {

/// What matmul's tasks and tiles (MatmulLoops.cpp) ask of an arithmetic other than f32's. One for each value of `a`, or for an instruction
/// that has tiles of its own.
class RoundedProduct {
public:
  /// The place in A of an element of a row, counted through all batches.
  using PlaceInA = std::function<std::vector<Value>(const Value& row, const Value& k)>;
  /// A tile: acc[r][v] += rows row .. row + rows - 1 of A, counted through all batches, times the vectors of columns, k0 <= k < k1; k0 and
  /// k1 are multiples of what the arithmetic takes together (MatmulSchedule::validate), but the last.
  struct Tile {
    Value batch, row;
    int64_t rows;
    std::span<const WeightColumns> vectors;
    Value k0, k1;
    RegArray acc;                 ///< where there are no sums()
    Value column;                 ///< of the output, the first
    const Value* mask;            ///< of the last vector; null: full
    std::function<void()> start;  ///< sets acc, or sums(), to what it starts from where that is not 0: to be called before it is read
    bool resumes;                 ///< it starts from what there is
    Value begun;                  ///< Bool: whether it does; null: as `resumes` says
    Value there;                  ///< of its rows, where there are sums(); null: all
  };

  /// Columns of a task in one pass over k.
  struct Group {
    Value batch;
    std::span<const WeightColumns> vectors;
    Value k0, k1;
  };

  virtual ~RoundedProduct() = default;
  /// Declares the scratch that so many rows of A are rounded into.
  virtual void declareRows(const Value& rows) = 0;
  /// A task a row: A, rounded, in that scratch.
  virtual void phase(const BufferRef& a, const PlaceInA& at) = 0;
  /// In place of both: so many rows of A arrive rounded (MatmulOp::in). Of q8 k of `at` counts words.
  virtual void given(const Value& rows, const BufferRef& a, const PlaceInA& at) = 0;
  /// With convert=scratch, before the tiles of a group run: what they share of the weight.
  virtual void convert(const Group& group) { static_cast<void>(group); }
  virtual void run(const Tile& tile) = 0;

  /// A tile has a multiple of so many rows; in the last one of a task not all need be there.
  virtual int64_t rowsTogether() const { return 1; }
  /// From which k on what is left is a pass of its own; 0: all k may go together.
  virtual int64_t lastPass() const { return 0; }
  /// Around what a task does in the pass from k0 on.
  virtual void inPass(const Value& /*k0*/, const std::function<void()>& body) { body(); }
  /// Where run() leaves a tile's sums, and finds them where they were begun, [row of the tile][column of the tile]; null: in its acc.
  virtual const BufferRef* sums() const { return nullptr; }
};

/// Of a weight, packed in batch x panels panels, which it declares as the operand `name`. nullptr with a=f32.
std::unique_ptr<RoundedProduct> roundedProduct(OpBuild& build, const std::string& name, const MatmulOp& op, const MatmulSchedule& schedule,
                                               const Value& batch, const Value& panels);

}  // namespace quern
