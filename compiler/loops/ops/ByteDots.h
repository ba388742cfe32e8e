// compiler/loops/ops/ByteDots.h — a dot of four bytes of a weight with four codes, for whatever instruction there is.
#pragma once

#include "compiler/loops/build/LoopBuilder.h"

namespace quern {

/// Words of four bytes, one for each column: q + 128 of a q with a sign, or, `small`, bytes below 128 as they are.
///
///   vnni    bytes without a sign times codes (vpdpbusd): a dot starts from -bias() times the sum of its codes
///   plain   q with its sign, which moves to the codes (pmaddubsw), or words; codes are never -128
///
/// Without vnni dots of bytes that are much smaller add up in 16 bits first (`shortDots`), which takes two instructions in place of three.
class ByteDots {
public:
  ByteDots(LoopBuilder& b, bool vnni, bool small, int lanes) : b_(b), vnni_(vnni), small_(small), lanes_(lanes) {}

  bool vnni() const { return vnni_; }

  static constexpr int kBias = 128;  ///< of packed bytes of a q with a sign
  /// What is multiplied is larger by than q.
  int bias() const { return vnni_ && !small_ ? kBias : 0; }
  /// A packed word as `dot` takes it, to be made once for all rows.
  Value quad(const Value& word) const {
    constexpr auto kSigns = static_cast<int32_t>(0x80808080);
    return vnni_ || small_ ? word : b_.let("quad", binary(LoopOp::Xor, word, i32Const(kSigns, lanes_)));
  }
  /// sum + the dot of the quad with a word of codes in every lane.
  Value dot(const Value& sum, const Value& quad, const Value& codes) const {
    // Without vnni bytes with a sign are shorter than those of eight bits without.
    bool isSigned = !vnni_ && !small_;
    Value weight = unary(isSigned ? LoopOp::BytesI8 : small_ ? LoopOp::BytesU7 : LoopOp::BytesU8, quad);
    return dot4Of(sum, weight, unary(isSigned ? LoopOp::BytesS7 : LoopOp::BytesI8, codes));
  }

  /// Of small bytes: two sums of two products each, in 16 bits.
  Value shortDots(const Value& quad, const Value& codes) const {
    return shortDotsOf(unary(LoopOp::BytesU7, quad), unary(LoopOp::BytesI8, codes));
  }

private:
  LoopBuilder& b_;
  bool vnni_, small_;
  int lanes_;
};

}  // namespace quern
