// compiler/loops/ops/WeightLoops.h — a packed weight that is not f32, as f32 vectors: schedule/PackLayout.h says how it lies.
#pragma once

#include "compiler/loops/build/OpBuild.h"
#include "compiler/op/BlockFormat.h"
#include "compiler/schedule/MatmulSchedule.h"

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
  /// Of a product: batch x panels panels by k, read with the schedule's lanes, unroll_k and prefetch. Declares the operand `name`.
  WeightReader(OpBuild& build, const std::string& name, ElementType type, const Value& batch, const Value& panels, const Value& k,
               const MatmulSchedule& schedule);

  /// body(k, values) for k = k0 .. k1 - 1 ascending, one f32 vector for each of `vectors`; k0 and k1 are multiples of the
  /// block.
  using Body = std::function<void(const Value& k, const std::vector<Value>& values)>;
  void forDepth(const Value& batch, std::span<const WeightColumns> vectors, const Value& k0, const Value& k1, const Body& body);

  /// The same of a quantised weight, neighbours k = 2 pair and 2 pair + 1 together; unroll_k counts pairs. A NaN has its quiet bit and no
  /// other but those of every NaN.
  struct Pairs {
    std::function<void(const Value& pair, const std::vector<Value>& even, const std::vector<Value>& odd)> body;
    /// Around the pairs of each 32 of k, which stand where `pairs` is called; null: nothing is.
    std::function<void(const std::function<void()>& pairs)> step;
  };
  void forPairs(const Value& batch, std::span<const WeightColumns> vectors, const Value& k0, const Value& k1, const Pairs& pairs);

private:
  /// Of all vectors, at one block of k.
  struct Block {
    Value batch, index;  ///< index: of the block along k
    std::span<const WeightColumns> vectors;
  };
  /// Whom values are read for.
  struct Taker {
    int each;                                                                                  ///< so many neighbours along k at a time
    std::function<void(const Value& at, const std::vector<std::vector<Value>>& values)> take;  ///< `at`: the first one's k, over `each`
    std::function<void(const std::function<void()>&)> step;                                    ///< as of Pairs
  };

  Value part(const Block& block, size_t vector, Scalar stored, const Value& offset, int64_t bytesEach) const;
  void ahead(const Block& block, size_t vector, const Value& offset, int64_t bytesEach);
  std::vector<Value> halves(const Block& block, const Taker& to, int64_t offset, const char* name);
  std::vector<Value> words(const Block& block, const Value& offset, const char* name);
  /// first + the `bits` bits of word from `shift` on, times 16 where they are two.
  Value chosen(const Value& word, int shift, int bits, float first);

  /// Eight of k from `at` on, which value(i, vector) makes.
  void eight(const Block& block, const Taker& to, const Value& at, const std::function<Value(int i, size_t vector)>& value);
  static void step(const Taker& to, const std::function<void()>& body) { to.step ? to.step(body) : body(); }
  void blocks(const Value& batch, std::span<const WeightColumns> vectors, const Value& k0, const Value& k1, const Taker& to);
  void plain(const Block& block, const Value& k0, const Value& k1, const Body& body);
  // `at`: the block's first k, over to.each
  void q8_0(const Block& block, const Value& at, const Taker& to);
  void q4_0(const Block& block, const Value& at, const Taker& to);
  void q4_K(const Block& block, const Value& at, const Taker& to);
  void q6_K(const Block& block, const Value& at, const Taker& to);
  void parts(const Block& block, const Value& at, const Taker& to);

  /// Of a (sub-)block, a vector for each of columns: what q is multiplied by, and what is added, or what it is multiplied by again (none:
  /// nothing is).
  struct Scales {
    std::vector<Value> step, add, again;
  };
  /// Of sub-block `s`, which is among the first four or the others by `half`, with the scales of six bits that q4_K has behind its halves.
  Scales scalesOfSix(const Block& block, int half, const Value& s, const std::vector<Value>& d, const std::vector<Value>& dmin);
  /// 2^(e - 128) of mxfp4; of two neighbours together as a product of two.
  Scales powers(const Block& block, const Taker& to);
  void unit(const Block& block, const Value& at, const Taker& to, const Value& s, const std::function<Scales(const Value& part)>& scales);
  void unitOfPairs(const Block& block, const Value& at, const Taker& to, const Value& s,
                   const std::function<Scales(const Value& part)>& scales);

  OpBuild& build_;
  LoopBuilder& b_;
  ElementType type_;
  int64_t panel_;
  int lanes_;
  int64_t unroll_;
  int64_t prefetch_;  ///< blocks
  BufferRef packed_;
};

}  // namespace quern
