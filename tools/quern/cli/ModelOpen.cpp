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
             "cache of it");
  return line.value("order", "HOW", "", "how --compute fast adds up products of bf16: tile32 or pairs (default: as the CPU has it)");
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
  std::string compute = line.get("compute"), order = line.get("order");
  if (compute != "exact" && compute != "fast") return badCommand(fmt::format("--compute {}: exact or fast is needed", escaped(compute)));
  if (!order.empty() && order != "tile32" && order != "pairs")
    return badCommand(fmt::format("--order {}: tile32 or pairs is needed", escaped(order)));
  if (compute == "exact") return order.empty() ? Result<void>() : badCommand("--order goes with --compute fast");
  source.compute = Compute::Fast;
  if (order.empty() && line.get("cpu").find(',') != std::string::npos)
    return badCommand("--compute fast for several CPUs: --order tile32 or --order pairs is needed, or they would differ in it");
  auto target = line.has("cpu") ? targetOf(line, false) : Result<Target>(hostTarget());
  if (!target) return target.error();
  source.order = order.empty() ? pairOrderFor(*target) : order == "pairs" ? PairOrder::Pairs : PairOrder::Tile32;
  return {};
}

/// Where no product can be rounded whoever asked for it should know.
static void sayIfExact(const CommandLine& line, const ModelSource& source) {
  if (source.compute != Compute::Fast || line.has("quiet")) return;
  auto products = productsOf(source);
  if (!products || products->empty() || anyRounds(*products)) return;
  std::vector<std::string> types;
  for (const ProductArithmetic& one : *products) types.push_back(one.weights);
  logWarning(
      fmt::format("{}: --compute fast leaves products with weights of {} exact", escaped(source.weights.label()), join(types, " and ")));
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
