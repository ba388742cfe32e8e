// tools/quern-run/Commands.cpp — the program that runs models on a bundle, without a compiler: its commands are those of quern.
#include "tools/quern/Commands.h"

namespace quern {

Command chatCommand();
Command embedCommand();
Command evalCommand();
Command generateCommand();
Command infoCommand();
Command logitsCommand();
Command perplexityCommand();
Command tokenizeCommand();
Command benchCommand();

const ProgramInfo& programInfo() {
  static constexpr ProgramInfo kInfo = {
      "quern-run", "runs models and ops on a bundle of kernels that quern emit wrote, without a compiler.", " --bundle DIR"};
  return kInfo;
}

const std::vector<Command>& commands() {
  static const std::vector<Command> all = {generateCommand(), embedCommand(), chatCommand(), logitsCommand(), perplexityCommand(),
                                           tokenizeCommand(), benchCommand(), infoCommand(), evalCommand()};
  return all;
}

}  // namespace quern
