// compiler/loops/ops/PairWeight.h — the weight of a product in pairs of bf16: packed so, or taken apart where it is used.
#pragma once

#include "compiler/loops/ops/WeightLoops.h"

namespace quern {

/// Three bf16 that x is the sum of (op/MatmulOp.h), in the high halves of words; in a flushed block.
std::vector<Value> threeHighs(LoopBuilder& b, const Value& x);

/// Packed as PackLayout's words of bf16; or, of a type that the op splits, as it is, each element the sum of several bf16 (op/MatmulOp.h):
/// those are made at each use, in registers, or once for a task's rows, in scratch.
///
///   scratch   i32 [kc / 2][pieces][nr]
class PairWeight {
public:
  PairWeight(OpBuild& build, const std::string& name, const MatmulOp& op, const MatmulSchedule& schedule, const Value& batch,
             const Value& panels);

  /// Where a tile's words begin.
  struct Place {
    Value batch;
    std::span<const WeightColumns> vectors;
    Value k0;  ///< of the pass
  };
  /// The pieces of a pair of k, a word for each column of a vector; prefetches what comes later.
  std::vector<Value> words(const Place& at, size_t vector, const Value& pair) const;
  /// With convert=scratch, all words of a pass.
  void convert(const Place& at, const Value& k1);
  bool splitsInRegisters() const { return splits_ && !scratch_; }

private:
  std::vector<Value> split(const Place& at, size_t vector, const Value& pair) const;
  Value halves(const Place& at, size_t vector, const Value& k) const;
  void ahead(const Place& at, size_t vector, std::vector<Value> row, int64_t bytesEach) const;

  OpBuild& build_;
  LoopBuilder& b_;
  bool splits_, scratch_;
  int64_t k_, pieces_;
  int lanes_;
  int64_t prefetch_;  ///< in pairs
  BufferRef packed_, converted_;
};

}  // namespace quern
