// models/KvTypes.h — what a KV cache may keep, by name.
#pragma once

#include "models/ModelSource.h"

#include <span>
#include <string_view>

namespace quern {

/// As --kv names it: f32, f16, bf16, q8.
struct KvType {
  std::string_view name;
  ElementType type;
};
std::span<const KvType> kvTypes();
/// Errors   BadCommand: another name.
Result<ElementType> kvTypeNamed(std::string_view name);
/// Errors   BadCommand: the model's heads are no whole blocks of it.
Result<void> checkKvType(const ModelSource& source, ElementType type);

}  // namespace quern
