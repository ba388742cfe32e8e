// compiler/loops/WeightLoops.h — a packed weight that is not f32, as f32 vectors: schedule/PackLayout.h says how it lies.
#pragma once

#include "compiler/loops/OpBuild.h"
#include "compiler/schedule/PackLayout.h"

#include <functional>
#include <span>
#include <vector>

namespace quern {

/// Where a vector of columns lies: its panel, and its first column there.
struct WeightColumns {
  Value panel, column;
};

/// Reads the values of some vectors of columns, k after k.
class WeightReader {
public:
  /// Of a product: batch x panels panels of `panel` columns by k. Declares the operand `name`.
  WeightReader(OpBuild& build, const std::string& name, ElementType type, const Value& batch, const Value& panels, const Value& k, int64_t panel, int lanes);

  /// body(k, values) for k = k0 .. k1 - 1 ascending, one f32 vector for each of `vectors`; k0 and k1 are multiples of the
  /// block. `unroll` steps are written out where nothing else says how many.
  using Body = std::function<void(const Value& k, const std::vector<Value>& values)>;
  void forDepth(const Value& batch, std::span<const WeightColumns> vectors, const Value& k0, const Value& k1, int64_t unroll, const Body& body);

private:
  struct Block;  // of all vectors, at one block of k

  Value part(const Block& block, size_t vector, Stored stored, const Value& offset, int64_t bytesEach) const;
  std::vector<Value> halves(const Block& block, int64_t offset, const char* name);
  std::vector<Value> words(const Block& block, const Value& offset, const char* name);
  /// floats[(word >> shift) & (floats.size() - 1)]
  Value chosen(const Value& word, int shift, int bits, float first);

  void plain(const Block& block, const Value& k0, const Value& k1, int64_t unroll, const Body& body);
  void q8_0(const Block& block, const Value& k, int64_t unroll, const Body& body);
  void q4_0(const Block& block, const Value& k, const Body& body);
  void q4_K(const Block& block, const Value& k, const Body& body);
  void q6_K(const Block& block, const Value& k, const Body& body);

  OpBuild& build_;
  LoopBuilder& b_;
  ElementType type_;
  int64_t panel_;
  int lanes_;
  BufferRef packed_;
};

}  // namespace quern
