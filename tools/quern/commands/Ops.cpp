// tools/quern/commands/Ops.cpp — `quern ops`: every op with its keys and inputs.
#include "tools/quern/commands/Command.h"

#include <fmt/format.h>

namespace quern {

static const CommandInfo kOpsInfo = {"ops", "", "every op with its keys and inputs", "  quern ops\n"};

static Result<int> runOps(std::vector<std::string> args) {
  CommandLine line(kOpsInfo, std::move(args));
  auto go = ready(line);
  if (!go || !*go) return go ? Result<int>(0) : Result<int>(go.error());
  if (!line.words().empty()) return badCommand("ops: takes no words");
  std::string out = "Dimensions are element counts, * where known only at call time; shapes are AxBxC; all f32 unless said.\n\n";
  for (const OpListing& op : listOps()) out += fmt::format("{} {}\n    {}\n    inputs: {}\n", op.name, op.keys, op.meaning, op.inputs);
  out += "\nFunctions of map and ep: + - * /";
  for (const ScalarFnInfo& fn : scalarFns())
    if (findScalarFn(fn.name) != nullptr) out += fmt::format(" {}", fn.name);
  if (auto good = writeResult(out + "\n"); !good) return good.error();
  return 0;
}

Command opsCommand() { return {kOpsInfo, runOps}; }

}  // namespace quern
