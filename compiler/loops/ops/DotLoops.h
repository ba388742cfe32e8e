// compiler/loops/ops/DotLoops.h — the micro-kernel of a product with a=q8: dots of bytes, block by block, then the scales.
#pragma once

#include "compiler/loops/ops/CodedRows.h"
#include "compiler/loops/ops/WeightLoops.h"

namespace quern {

/// Packed as PackLayout's words: four elements of a column in each, unsigned. A column's dot of a (sub-)block starts from what the
/// offset of its bytes adds, which is taken away so.
///
///   for block: for vector: [words of its quads, scales] for row: D = start; D = dot4(D, quads, codes) ...; acc = fma(f32(D), scale, acc)
class DotReader {
public:
  /// Declares the operand `name`.
  DotReader(OpBuild& build, const std::string& name, ElementType type, const Value& batch, const Value& panels, const Value& k,
            const MatmulSchedule& schedule);
  /// What packed bytes are larger by than the weight's whole numbers.
  static int biasOf(ElementType type, const MatmulSchedule& schedule);
  /// Whether sums of codes are read at all.
  static bool readsSums(ElementType type, const MatmulSchedule& schedule) {
    return type == ElementType::Q4_K || biasOf(type, schedule) != 0;
  }
  /// Codes that go together in a sum: those of a sub-block.
  static int64_t codesOfSum(ElementType type) { return type == ElementType::Q6_K ? 16 : 32; }

  /// A tile: acc[r][v] += rows row .. row + rows - 1 of the codes times the vectors of columns.
  struct Tile {
    Value batch, row;
    int64_t rows;
    std::span<const WeightColumns> vectors;
    Value k0, k1;  ///< multiples of the block
    RegArray acc;
  };
  void run(const Tile& tile, const CodedRows& codes);

private:
  struct At;  // a vector of columns of a block, and the codes it meets
  using Quads = std::vector<Value>;

  Value part(const At& at, Scalar stored, const Value& offset, int64_t bytesEach) const;
  Value word(const At& at, const Value& offset) const;
  Value half(const At& at, int64_t offset, const char* name) const;
  Value dot(const At& at, const Quads& quads, const Value& row, const Value& firstWord, const Value& start) const;
  Value scaleOf(const At& at, const Value& row, const Value& scale) const;
  Value start(const At& at, const Value& row, const Value& part) const;
  void eachRow(const At& at, const std::function<Value(const Value& row, const Value& acc)>& sum);
  Quads nibbles(const At& at, const Value& offset);

  void q8_0(const At& at);
  void q4_0(const At& at);
  void q4_K(const At& at);
  void q6_K(const At& at);

  OpBuild& build_;
  LoopBuilder& b_;
  ElementType type_;
  int64_t panel_;
  int lanes_;
  bool vnni_;
  int64_t prefetch_;  ///< blocks
  BufferRef packed_;
};

}  // namespace quern
