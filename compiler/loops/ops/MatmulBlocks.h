// compiler/loops/ops/MatmulBlocks.h — what a schedule cuts a product into: tasks, passes over k, groups of columns, tiles of rows.
#pragma once

#include "compiler/loops/build/OpBuild.h"

#include <functional>

namespace quern {

/// The cuts of one product of m x n outputs and depth k.
class MatmulBlocks {
public:
  /// What an arithmetic asks of them (RoundedProduct.h).
  struct Wish {
    int64_t rowsTogether, lastPass;
  };
  /// One pass over k.
  struct Pass {
    Value k0, k1;
    Value later;           ///< Bool: not the first pass; null: the first, or
    bool resumes = false;  ///< never the first
    Value last{};          ///< Bool: the last pass; null: the last, or
    bool goesOn = false;   ///< never the last
  };
  /// Rows of a tile.
  struct Rows {
    Value first;
    int64_t count;
    bool ahead = false;  ///< of those that prefetch a panel
    Value there{};       ///< of its rows; null: all
  };

  MatmulBlocks(OpBuild& build, const MatmulSchedule& s, const Value& m, const Value& n, const Value& k, Wish wish)
      : b_(build.b), s_(s), lanes_(static_cast<int>(s.lanes)), m_(m), n_(n), k_(k), wish_(wish) {}

  /// Row and column of a task's block.
  std::pair<Value, Value> of(const Value& task, const Value& rowBlocks, const Value& columnBlocks) const;
  void forPasses(const std::function<void(const Pass&)>& body) const;
  /// Groups of nr columns from j0 to j1, then what is left: exactly where n is known, else vector by vector. body(first column, vectors,
  /// mask of the last vector or null).
  void forColumns(const Value& j0, const Value& j1, const std::function<void(const Value&, int64_t, const Value*)>& body) const;
  /// Tiles of mr rows from i0 to i1, the first ones `ahead` where a panel is prefetched, then the rows left as one tile: the one for their
  /// number is chosen at run time where m is.
  void forTiles(const Value& i0, const Value& i1, const std::function<void(const Rows&)>& body) const;

private:
  LoopBuilder& b_;
  const MatmulSchedule& s_;
  int lanes_;
  Value m_, n_, k_;
  Wish wish_;
};

}  // namespace quern
