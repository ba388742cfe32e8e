// compiler/loops/ops/RoundedProduct.cpp — see RoundedProduct.h.
#include "compiler/loops/ops/RoundedProduct.h"

#include "compiler/loops/ops/ByteLoops.h"
#include "compiler/loops/ops/ByteTiles.h"
#include "compiler/loops/ops/DotLoops.h"
#include "compiler/loops/ops/PairLoops.h"
#include "compiler/loops/ops/TileLoops.h"

namespace quern {

std::unique_ptr<RoundedProduct> roundedProduct(OpBuild& build, const std::string& name, const MatmulOp& op, const MatmulSchedule& schedule,
                                               const Value& batch, const Value& panels) {
  switch (op.a) {
    case RoundedTo::F32: break;
    case RoundedTo::Q8: return std::make_unique<DotProduct>(build, name, op, schedule, batch, panels);
    case RoundedTo::I8:
      if (schedule.dots == MatmulSchedule::DotsAmx) return std::make_unique<ByteTiles>(build, name, op, schedule, batch, panels);
      return std::make_unique<ByteProduct>(build, name, op, schedule, batch, panels);
    case RoundedTo::F32x3:
    case RoundedTo::BF16:
      if (schedule.dots == MatmulSchedule::DotsAmx) return std::make_unique<TileProduct>(build, name, op, schedule, batch, panels);
      return std::make_unique<PairProduct>(build, name, op, schedule, batch, panels);
  }
  return nullptr;
}

}  // namespace quern
