// compiler/loops/ops/MatmulPacking.h — operands of a matmul laid out anew: B in panels of columns, rows of A close together.
#pragma once

#include "compiler/loops/build/OpBuild.h"

namespace quern {

/// From plain memory into a scratch buffer.
struct PackJob {
  OpBuild& build;
  BufferRef from, to;
  int lanes;
};

/// Panel `panel` of B, `width` columns by k: to[batch, panel, k, column], zeros behind column n, so that every element is
/// written. B is [k,n] with leading indices `outer`, or [n,k] where transposed: then lanes x lanes blocks are turned in
/// registers.
struct PanelShape {
  std::vector<Value> outer;  ///< leading indices of `from`
  Value batch, panel, n, k;
  int64_t width;
  bool transposed;
};
void packPanel(const PackJob& job, const PanelShape& shape);

/// Rows [i0, i1) x columns [k0, k1) of A: to[row - i0, k - k0].
struct RowBlock {
  std::vector<Value> outer;
  Value i0, i1, k0, k1;
};
void copyRows(const PackJob& job, const RowBlock& block);

}  // namespace quern
