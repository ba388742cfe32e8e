// tools/quern/Commands.cpp — the list of commands, in the order of the overview. Adding one is a word here and a file in commands/.
#include "tools/quern/Commands.h"

/// X(name) for each nameCommand() of commands/.
#define QUERN_COMMANDS(X) \
  X(cpu)                  \
  X(ops)                  \
  X(show)                 \
  X(eval)                 \
  X(verify)               \
  X(tune)                 \
  X(explain)              \
  X(bench) X(compare) X(report) X(cache) X(emit) X(info) X(tokenize) X(generate) X(chat) X(embed) X(logits) X(perplexity) X(quantize)

namespace quern {

#define QUERN_COMMAND(name) Command name##Command();
QUERN_COMMANDS(QUERN_COMMAND)
#undef QUERN_COMMAND

const ProgramInfo& programInfo() {
  static constexpr ProgramInfo kInfo = {"quern", "turns op descriptions into native kernels tuned for the CPU in hand.", ""};
  return kInfo;
}

const std::vector<Command>& commands() {
#define QUERN_COMMAND(name) name##Command(),
  static const std::vector<Command> all = {QUERN_COMMANDS(QUERN_COMMAND)};
#undef QUERN_COMMAND
  return all;
}

}  // namespace quern
