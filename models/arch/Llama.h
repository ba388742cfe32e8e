// models/arch/Llama.h — see Llama.cpp.
#pragma once

#include "models/arch/Architecture.h"

namespace quern {

Architecture llamaArchitecture();

}  // namespace quern
