// compiler/schedule/MatmulSchedule.h — how a matmul runs: register tile, cache blocks, packing.
#pragma once

#include "compiler/base/Result.h"
#include "compiler/op/MatmulOp.h"
#include "compiler/schedule/ScheduleField.h"
#include "compiler/target/Target.h"

namespace quern {

/// A task computes mc x nc outputs: for each k block of kc, for each panel of nr columns, for each tile of mr rows, the
/// micro-kernel keeps mr x nr accumulators in registers, loads nr / lanes vectors of B and broadcasts mr elements of A
/// per k. The last rows and columns have tiles of their own.
///
///            nr                      registers: mr * nr/lanes accumulators + nr/lanes of B + 1 broadcast of A
///        +--------+                             (+ 1 for the product where there is no fma)
///     mr |  acc   |   k ascending, unroll_k steps at a time
///        +--------+
struct MatmulSchedule {
  enum Pack : int64_t { PackNone, PackB };

  int64_t mr = 1, nr = 4, mc = 64, kc = 512, nc = 256;
  int64_t lanes = 4, unrollK = 1;
  int64_t pack = PackNone;
  int64_t prefetch = 0;
  int64_t tail = 0;
  int64_t order = 0;

  static const std::vector<ScheduleField<MatmulSchedule>>& fields();
  static MatmulSchedule byDefault(const MatmulOp& op, const Target& target);
  /// Blocks that the user did not give are rounded up to the tile they must be a multiple of.
  void complete(const std::vector<std::string>& given);
  Result<void> validate(const MatmulOp& op, const Target& target) const;
  bool operator==(const MatmulSchedule&) const = default;
};

}  // namespace quern
