// models/KvTypes.cpp — see KvTypes.h.
#include "models/KvTypes.h"

#include "compiler/base/Text.h"

#include <fmt/format.h>

namespace quern {

std::span<const KvType> kvTypes() {
  static constexpr KvType kTypes[] = {
      {"f32", ElementType::F32}, {"f16", ElementType::F16}, {"bf16", ElementType::BF16}, {"q8", ElementType::Q8_0}};
  return kTypes;
}

Result<ElementType> kvTypeNamed(std::string_view name) {
  for (const KvType& each : kvTypes())
    if (name == each.name) return each.type;
  return badCommand(fmt::format("--kv {} is not f32, f16, bf16 or q8", escaped(name)));
}

Result<void> checkKvType(const ModelSource& source, ElementType type) {
  int64_t block = formatOf(type).block, size = source.config.headDim();
  if (size % block == 0) return {};
  return badCommand(
      fmt::format("--kv q8 keeps blocks of {} elements of a head, the heads of {} have {}: a multiple of {} is needed, or --kv bf16", block,
                  escaped(source.weights.label()), size, block));
}

}  // namespace quern
