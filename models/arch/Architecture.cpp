// models/arch/Architecture.cpp — the list.
#include "models/arch/Architecture.h"

#include "models/arch/Gpt2.h"
#include "models/arch/Llama.h"

#include <array>

namespace quern {

std::span<const Architecture> architectures() {
  static const std::array<Architecture, 2> all = {llamaArchitecture(), gpt2Architecture()};
  return all;
}

const Architecture* findArchitecture(std::string_view name) {
  for (const Architecture& each : architectures())
    if (each.name == name) return &each;
  return nullptr;
}

}  // namespace quern
