// models/arch/Gpt2.h — see Gpt2.cpp.
#pragma once

#include "models/arch/Architecture.h"

namespace quern {

Architecture gpt2Architecture();

}  // namespace quern
