// tools/quern/cli/ModelOpen.cpp — see ModelOpen.h.
#include "tools/quern/cli/ModelOpen.h"

#include "compiler/base/Log.h"
#include "compiler/base/Text.h"
#include "compiler/target/HostTarget.h"
#include "models/ProductArithmetic.h"
#include "tools/quern/cli/Words.h"
#include "tools/recorded/NamedModel.h"

#include <fmt/format.h>

namespace quern {

CommandLine& modelFlag(CommandLine& line, const std::string& help) {
  line.value("model", "M", "", help, 'm');
  return line.list("ignore-key", "NAME", "go on without this key of the model's description, with a warning (again for more)");
}

CommandLine& computeFlags(CommandLine& line) {
  line.value("compute", "HOW", "exact",
             "exact: weights as they are, in f32; fast: activations rounded to bytes with weights in blocks, to bf16 with bf16 and a KV "
             "cache of it; tile: as fast, but weights in blocks become bf16 too");
  return line.value("order", "HOW", "", "how products of bf16 are added up: tile32 or pairs (default: as the CPU has it)");
}

Result<void> checkModelFlag(const CommandLine& line) {
  for (const char* flag : {"ignore-key", "compute", "order"})
    if (line.has(flag) && !line.has("model")) return badCommand(fmt::format("--{} goes with --model", flag));
  return {};
}

static void sayRemarks(const CommandLine& line, const WeightFiles* files) {
  if (files == nullptr || line.has("quiet")) return;
  for (const std::string& remark : files->remarks()) logWarning(remark);
}

/// --compute and --order. Errors: BadCommand; as targetOf.
static Result<void> setArithmetic(const CommandLine& line, ModelSource& source) {
  if (!line.has("compute") && !line.has("order")) return {};
  std::string name = line.get("compute"), order = line.get("order");
  auto compute = computeNamed(name);
  if (!compute) return badCommand(fmt::format("--compute {}: exact, fast or tile is needed", escaped(name)));
  if (!order.empty() && order != "tile32" && order != "pairs")
    return badCommand(fmt::format("--order {}: tile32 or pairs is needed", escaped(order)));
  if (*compute == Compute::Exact) return order.empty() ? Result<void>() : badCommand("--order goes with --compute fast or tile");
  source.compute = *compute;
  if (order.empty() && line.get("cpu").find(',') != std::string::npos)
    return badCommand(
        fmt::format("--compute {} for several CPUs: --order tile32 or --order pairs is needed, or they would differ in it", name));
  auto target = line.has("cpu") ? targetOf(line, false) : Result<Target>(hostTarget());
  if (!target) return target.error();
  source.order = order.empty() ? pairOrderFor(*target) : order == "pairs" ? PairOrder::Pairs : PairOrder::Tile32;
  return {};
}

/// Where no product can be rounded whoever asked for it should know.
static void sayIfExact(const CommandLine& line, const ModelSource& source) {
  if (source.compute == Compute::Exact || line.has("quiet")) return;
  auto products = productsOf(source);
  if (!products || products->empty() || anyRounds(*products)) return;
  std::vector<std::string> types;
  for (const ProductArithmetic& one : *products) types.push_back(one.weights);
  logWarning(fmt::format("{}: --compute {} leaves products with weights of {} exact", escaped(source.weights.label()),
                         nameOf(source.compute), join(types, " and ")));
}

Result<ModelSource> openModelOf(const CommandLine& line) {
  if (!line.has("model")) return badCommand("--model M is missing: a .gguf file, a folder, or a name in configs/models");
  ModelSource arithmetic;
  if (auto good = setArithmetic(line, arithmetic); !good) return good.error();
  auto source = openModel(line.get("model"), line.all("ignore-key"));
  if (!source) return source;
  source->compute = arithmetic.compute, source->order = arithmetic.order;
  sayRemarks(line, source->files.get());
  sayIfExact(line, *source);
  return source;
}

Result<WeightFiles> openFilesOf(const CommandLine& line) {
  auto files = WeightFiles::open(line.get("model"));
  if (!files) return files;
  if (auto good = files->ignoreKeys(line.all("ignore-key")); !good) return good.error();
  sayRemarks(line, &*files);
  return files;
}

}  // namespace quern
