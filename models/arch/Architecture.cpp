// models/arch/Architecture.cpp — the list.
#include "models/arch/Architecture.h"

#include "models/ArchitectureList.h"

#include <algorithm>

namespace quern {

#define QUERN_ARCHITECTURE(Name) Architecture make##Name();
QUERN_ARCHITECTURES(QUERN_ARCHITECTURE)
#undef QUERN_ARCHITECTURE

std::span<const Architecture> architectures() {
#define QUERN_ARCHITECTURE(Name) make##Name(),
  static const Architecture all[] = {QUERN_ARCHITECTURES(QUERN_ARCHITECTURE)};
#undef QUERN_ARCHITECTURE
  return all;
}

const Architecture* findArchitecture(std::string_view name) {
  for (const Architecture& each : architectures())
    if (each.name == name || std::find(each.ggufNames.begin(), each.ggufNames.end(), name) != each.ggufNames.end()) return &each;
  return nullptr;
}

}  // namespace quern
