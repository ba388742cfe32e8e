// tools/quern/Main.cpp — the program: finds the command and runs it.
#include "compiler/base/Log.h"
#include "compiler/base/Text.h"
#include "tools/Program.h"
#include "tools/quern/Commands.h"
#include "tools/quern/cli/CutFiles.h"

#include <cstdio>
#include <fmt/format.h>
#include <mutex>
#include <nlohmann/json.hpp>
#include <set>

namespace quern {

static std::string overview() {
  auto [name, summary, bundle] = programInfo();
  std::string out = fmt::format("{} COMMAND ...: {}\n\n", name, summary);
  for (const Command& command : commands()) out += fmt::format("  {:<10} {}\n", command.info.name, command.info.summary);
  return out + fmt::format("\n{} COMMAND --help explains one and shows examples.\n", name);
}

static std::string overviewJson() {
  auto [name, summary, bundle] = programInfo();
  nlohmann::ordered_json names = nlohmann::ordered_json::array();
  for (const Command& command : commands()) names.push_back(command.info.name);
  return nlohmann::ordered_json{{"name", name}, {"version", QUERN_VERSION}, {"summary", summary}, {"commands", names}}.dump(2) + "\n";
}

static Result<int> dispatch(std::vector<std::string> args) {
  if (args.empty() || args[0] == "--help" || args[0] == "-h" || args[0] == "help") {
    if (args.size() > 1 && args[0] == "help") return dispatch({args[1], "--help"});
    if (auto good = writeResult(overview()); !good) return good.error();
    return args.empty() ? 2 : 0;
  }
  if (args[0] == kHelpJson) {
    auto good = writeResult(overviewJson());
    return good ? Result<int>(0) : Result<int>(good.error());
  }
  if (args[0] == "--version") {
    if (auto good = writeResult(fmt::format("{} " QUERN_VERSION "\n", programInfo().name)); !good) return good.error();
    return 0;
  }
  std::vector<std::string> names;
  for (const Command& command : commands()) {
    if (command.info.name == args[0]) return command.run({args.begin() + 1, args.end()});
    names.emplace_back(command.info.name);
  }
  return badCommand(fmt::format("unknown command '{}'{}; commands: {}", escaped(args[0]), didYouMean(args[0], names), join(names, " ")));
}

/// A command that gave up because of a signal says so, and ends with the signal's status.
static Result<int> unlessStopped(Result<int> status) {
  if (status || status.error().code != kStopped || !interrupted()) return status;
  std::fprintf(stderr, "%s: interrupted: %s\n", programInfo().name, status.error().message.c_str());
  return interruptedStatus();
}

/// One write a line, so that lines of several threads stay whole. A warning that several libraries or rows have is said once.
static void toStderr(std::string_view kind, std::string_view message) {
  static std::mutex guard;
  static std::set<std::string, std::less<>> warned;
  if (std::lock_guard lock(guard); kind == "warning" && !warned.emplace(message).second) return;
  std::string line = kind == "warning" ? fmt::format("{}: warning: {}\n", programInfo().name, message)
                                       : fmt::format("{}[{}]: {}\n", programInfo().name, kind, message);
  std::fwrite(line.data(), 1, line.size(), stderr);
}

}  // namespace quern

int main(int argc, char** argv) {
  quern::setLogSink(quern::toStderr);
  quern::nameCutFiles();
  quern::hearSignals();
  return quern::runProgram(quern::programInfo().name, [=] { return quern::unlessStopped(quern::dispatch({argv + 1, argv + argc})); });
}
