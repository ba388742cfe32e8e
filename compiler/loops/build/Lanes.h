// compiler/loops/build/Lanes.h — vectors folded and turned by shuffles: what builders do across lanes.
#pragma once

#include "compiler/loops/build/LoopBuilder.h"

#include <functional>

namespace quern {

using Combine = std::function<Value(const Value&, const Value&)>;

/// a, or b where b is larger. A NaN in b is passed over, one in a stays.
Value plainMax(const Value& a, const Value& b);

/// The largest lane, NaNs passed over.
Value reducedPlainMax(LoopBuilder& b, const Value& x);

/// What is subtracted from numbers of which `top` is the highest before their exponentials: `top`, or 0 where all are -Inf, so that their
/// exponentials are 0 and not those of Inf - Inf. A sum of nothing else is then 0, and 0 / 0 what the formula has.
Value exponentBase(LoopBuilder& b, const Value& top);

/// Folds a list in halves, i with i + size / 2; a power of two of them.
Value foldVectors(LoopBuilder& b, const Combine& combine, std::vector<Value> vectors);

/// Folds the lanes of several vectors in halves, as Reduce does, with one instruction for all that can share it. Source i of n (a power
/// of two, at most the lanes) comes out in lanes [i lanes / n, (i + 1) lanes / n).
Value foldTogether(LoopBuilder& b, const Combine& combine, std::vector<Value> vectors);

/// `rows` vectors of as many lanes, or a multiple: in each block of as many lanes element (i, j) becomes element (j, i), in log2(rows)
/// steps of one shuffle a vector.
std::vector<Value> transposed(LoopBuilder& b, std::vector<Value> rows);

}  // namespace quern
