// tools/quern/Main.cpp — the program: finds the command, runs it, turns errors into messages and exit statuses.
#include "compiler/base/Log.h"
#include "compiler/base/Text.h"
#include "tools/quern/Command.h"
#include "tools/quern/CutFiles.h"

#include <csignal>
#include <cstdio>
#include <fmt/format.h>
#include <new>

namespace quern {

static std::string overview() {
  std::string out = "quern COMMAND ...: turns op descriptions into native kernels tuned for the CPU in hand.\n\n";
  for (const Command& command : commands()) out += fmt::format("  {:<10} {}\n", command.info.name, command.info.summary);
  return out + "\nquern COMMAND --help explains one and shows examples.\n";
}

static Result<int> dispatch(std::vector<std::string> args) {
  if (args.empty() || args[0] == "--help" || args[0] == "-h" || args[0] == "help") {
    if (args.size() > 1 && args[0] == "help") return dispatch({args[1], "--help"});
    if (auto good = writeResult(overview()); !good) return good.error();
    return args.empty() ? 2 : 0;
  }
  if (args[0] == "--version") {
    if (auto good = writeResult("quern " QUERN_VERSION "\n"); !good) return good.error();
    return 0;
  }
  std::vector<std::string> names;
  for (const Command& command : commands()) {
    if (command.info.name == args[0]) return command.run({args.begin() + 1, args.end()});
    names.emplace_back(command.info.name);
  }
  return badCommand(fmt::format("unknown command '{}'{}; commands: {}", escaped(args[0]), didYouMean(args[0], names), join(names, " ")));
}

/// One write a line, so that lines of several threads stay whole.
static void toStderr(std::string_view kind, std::string_view message) {
  std::string line = kind == "warning" ? fmt::format("quern: warning: {}\n", message) : fmt::format("quern[{}]: {}\n", kind, message);
  std::fwrite(line.data(), 1, line.size(), stderr);
}

}  // namespace quern

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  quern::setLogSink(quern::toStderr);
  quern::nameCutFiles();
  quern::Result<int> status = 0;
  try {
    status = quern::dispatch({argv + 1, argv + argc});
  } catch (const std::bad_alloc&) {
    status = quern::machineLacks("out of memory");
  }
  if (status) return *status;
  std::fprintf(stderr, "quern: %s\n", status.error().message.c_str());
  auto code = status.error().code;
  return code == quern::ErrorCode::Infeasible ? 2 : static_cast<int>(code);
}
