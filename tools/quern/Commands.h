// tools/quern/Commands.h — a program's commands: quern's in Commands.cpp, quern-run's in ../quern-run.
#pragma once

#include "tools/quern/commands/Command.h"

namespace quern {

const std::vector<Command>& commands();

}  // namespace quern
