// tools/quern/commands/Command.h — what a command's file offers: one function xCommand(), named in Commands.cpp.
#pragma once

#include "tools/quern/cli/Words.h"

namespace quern {

struct Command {
  CommandInfo info;
  /// The exit status: 0 done, 1 the answer is no (INTERFACE). Errors carry their own.
  Result<int> (*run)(std::vector<std::string> args);
};

}  // namespace quern
