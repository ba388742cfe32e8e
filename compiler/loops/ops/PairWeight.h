// compiler/loops/ops/PairWeight.h — the weight of a product in pairs of bf16: packed so, or made of what is packed where it is used.
#pragma once

#include "compiler/loops/ops/WeightLoops.h"

#include <optional>

namespace quern {

/// Three bf16 that x is the sum of (op/MatmulOp.h), in the high halves of words; in a flushed block.
std::vector<Value> threeHighs(LoopBuilder& b, const Value& x);

/// Packed as PackLayout's words of bf16; or as it is, of a type whose elements the op takes apart into several bf16, or rounds to one
/// (op/MatmulOp.h): those are made at each use, in registers, or once for a task's rows, in scratch.
///
///   scratch   i32 [kc / 2][pieces x nr]
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
  /// The pieces of a pair of k, a word for each column of a vector; prefetches what comes later. Not with roundsInRegisters().
  std::vector<Value> words(const Place& at, size_t vector, const Value& pair) const;
  /// Where `words` reads such, and its place there.
  std::pair<BufferRef, std::vector<Value>> held(const Place& at, size_t vector, int64_t piece, const Value& pair) const;
  /// With convert=scratch, all words of a pass.
  void convert(const Place& at, const Value& k1);
  bool splitsInRegisters() const { return splits_ && !scratch_; }
  bool roundsInRegisters() const { return blocks_ && !scratch_; }
  /// With roundsInRegisters(), which are made block by block, the words of a pass: body(pair, a word for each vector). `step`: as of
  /// WeightReader::Pairs. Stands in a flushed block, or the caller's way of rounding would show.
  void forPairs(const Place& at, const Value& k1, const std::function<void(const Value& pair, const std::vector<Value>& words)>& body,
                const std::function<void(const std::function<void()>&)>& step = {});

private:
  std::vector<Value> split(const Place& at, size_t vector, const Value& pair) const;
  Value halves(const Place& at, size_t vector, const Value& k) const;
  /// Where a vector has element `row` of its columns in `packed_`, of which those of so many pieces lie before it.
  std::vector<Value> packedAt(const Place& at, size_t vector, const Value& row, int64_t piece = 0) const;
  void ahead(const Place& at, size_t vector, const Value& row, int64_t piece, int64_t bytesEach) const;

  OpBuild& build_;
  LoopBuilder& b_;
  bool splits_, scratch_;
  int64_t k_, pieces_, panel_, width_;  ///< columns of a panel, and of what is converted
  int lanes_;
  int64_t prefetch_;  ///< in pairs
  std::optional<WeightReader> blocks_;
  BufferRef packed_, converted_;
};

}  // namespace quern
