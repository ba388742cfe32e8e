// tests/numeric/PairDefinition.h — sums of several products of bf16 as op/MatmulOp.h defines them, number by number.
#pragma once

#include "tests/numeric/PairArithmetic.h"

#include <array>
#include <vector>

namespace quern {

/// The numbers of one row or column, piece after piece: of each, all k.
using Pieces = std::vector<std::vector<uint16_t>>;
/// The pieces that meet: of A, of B.
using Terms = std::vector<std::array<size_t, 2>>;

/// One output: from `c`, over k numbers of both. apart: in pairs all terms but the last are added up onto 0 first.
inline float sumOfPieces(PairOrder order, const Terms& terms, bool apart, const Pieces& a, const Pieces& b, float c) {
  size_t depth = a[0].size(), together = order == PairOrder::Pairs ? 2 : 32;
  for (size_t first = 0; first < depth; first += together) {
    auto part = [&](const std::vector<uint16_t>& of) { return std::span(of).subspan(first, std::min(together, depth - first)); };
    float small = 0;
    for (size_t t = 0; t < terms.size(); ++t) {
      bool own = apart && order == PairOrder::Pairs && t + 1 < terms.size();
      if (apart && order == PairOrder::Pairs && t + 1 == terms.size()) {
        FlushingState flushing;
        c = sumByHardware(c, small);
      }
      float& sum = own ? small : c;
      sum = pairsByDefinition(order, part(a[terms[t][0]]), part(b[terms[t][1]]), sum);
    }
  }
  return c;
}

}  // namespace quern
