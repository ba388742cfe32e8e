// tools/quern/Commands.h — every command of the program.
#pragma once

#include "tools/quern/commands/Command.h"

namespace quern {

const std::vector<Command>& commands();

}  // namespace quern
