// compiler/store/WeightPacking.h — weights as they lie in files or arrays, into the layout that kernels read (schedule/PackLayout.h).
#pragma once

#include "compiler/base/Stop.h"
#include "compiler/schedule/PackLayout.h"

#include <cstddef>
#include <span>

namespace quern {

/// Neighbouring columns of a weight: stored [n,k], `columns` rows of k elements; or [k,n], where one piece is all there is.
struct WeightPiece {
  const std::byte* data = nullptr;
  int64_t columns = 0;
  int64_t rowBytes = 0;  ///< from one stored row to the next
};

/// Writes panels [begin, end) of one batch of a weight whose columns are those of `pieces`, one piece after the other.
/// `packed` is where panel 0 lies. Threads may pack panels of their own.
void packPanels(const PackLayout& layout, std::span<const WeightPiece> pieces, int64_t begin, int64_t end, std::byte* packed);

/// The type as QuernPack.h numbers it: of weights that kernels read.
int packType(ElementType type);

/// All of a weight that lies dense: [batch,k,n], or [batch,n,k] where transposed. `packed` has layout.bytes().
/// False where `stop` was asked before all of it was packed.
bool packWeight(const PackLayout& layout, const void* source, void* packed, const Stop& stop = {});

/// Column n of batch 0 of a packed weight as f32, k values: a row of the table that it was.
void packedColumn(const PackLayout& layout, const std::byte* packed, int64_t n, float* values);

}  // namespace quern
