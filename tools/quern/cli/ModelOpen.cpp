// tools/quern/cli/ModelOpen.cpp — see ModelOpen.h.
#include "tools/quern/cli/ModelOpen.h"

#include "compiler/base/Log.h"
#include "compiler/base/Text.h"
#include "compiler/target/HostTarget.h"
#include "models/Adapter.h"
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
  line.value(
      "compute", "HOW", "fast",
      "fast: activations rounded to bytes with weights in blocks, to bf16 with bf16 and a KV cache of it; exact: as they are, in f32; "
      "tile: as fast, but weights in blocks become bf16 too");
  line.list("lora", "FILE[:SCALE]", "an adapter on top of the model: PEFT's folder or a GGUF file (again for more)");
  return line.value("order", "HOW", "", "how products of bf16 are added up: tile32 or pairs (default: as the CPU has it)");
}

Result<void> checkModelFlag(const CommandLine& line) {
  for (const char* flag : {"ignore-key", "compute", "order", "lora"})
    if (line.has(flag) && !line.has("model")) return badCommand(fmt::format("--{} goes with --model", flag));
  return {};
}

static void sayRemarks(const CommandLine& line, const WeightFiles* files) {
  if (files == nullptr || line.has("quiet")) return;
  for (const std::string& remark : files->remarks()) logWarning(remark);
}

static Result<void> setArithmetic(const CommandLine& line, const AskedArithmetic& asked, const Target& target, ModelSource& source) {
  auto remark = computeAs(asked, target, source);
  if (!remark) return remark.error();
  if (!remark->empty() && !line.has("quiet")) logWarning(*remark);
  return {};
}

static Result<void> addAdapters(const CommandLine& line, ModelSource& source) {
  for (const std::string& text : line.all("lora")) {
    auto name = adapterNamed(text);
    if (!name) return name.error();
    if (auto good = addAdapter(source, *name); !good) return good;
  }
  return {};
}

static Result<AskedArithmetic> askedArithmetic(const CommandLine& line) {
  return askedArithmetic(line.has("compute") ? std::optional(line.get("compute")) : std::nullopt, line.get("order"));
}

Result<void> computeFor(const CommandLine& line, const Target& target, ModelSource& source) {
  auto asked = askedArithmetic(line);
  return asked ? setArithmetic(line, *asked, target, source) : Result<void>(asked.error());
}

Result<ModelSource> openModelOf(const CommandLine& line, const BundleArithmetic* bundled) {
  if (!line.has("model")) return badCommand(kModelMissing);
  auto asked = askedArithmetic(line);
  if (!asked) return asked.error();
  if (bundled != nullptr && !asked->compute && asked->order.empty()) {
    asked->compute = computeNamed(bundled->compute);
    if (asked->compute != Compute::Exact) asked->order = bundled->order;
  }
  auto source = openModel(line.get("model"), line.all("ignore-key"));
  if (!source) return source;
  sayRemarks(line, source->files.get());
  if (auto good = addAdapters(line, *source); !good) return good.error();
  auto target = findTarget(line.has("cpu") ? split(line.get("cpu"), ',')[0] : "host");
  if (!target) return target.error();
  if (auto good = setArithmetic(line, *asked, *target, *source); !good) return good.error();
  return source;
}

Result<std::string> modelPathOf(const CommandLine& line) {
  if (line.has("model")) return line.get("model");
  if (!line.has("bundle")) return badCommand(fmt::format("{}: --model M is missing", line.name()));
  auto bundle = Bundle::open(line.get("bundle"), {});
  if (!bundle) return bundle.error();
  const std::string& path = bundle->manifest().description.path;
  if (path.empty()) return badCommand(fmt::format("{}: {}{}", line.name(), kModelMissing, kBundleWithout));
  return bundle->path() + "/" + path;
}

Result<ModelSource> openBundledModel(const CommandLine& line, const BundledModel& model, const BundleArithmetic& computed) {
  for (const char* flag : {"compute", "order", "ignore-key", "lora"})
    if (line.has(flag)) return badCommand(fmt::format("--{} goes with --model: a bundle's own model is computed as it was emitted", flag));
  auto source = openPackedModel(model, computed);
  if (!source) return source;
  sayRemarks(line, source->files.get());
  return source;
}

Result<WeightFiles> openFilesOf(const CommandLine& line) {
  auto path = modelPathOf(line);
  if (!path) return path.error();
  auto files = WeightFiles::open(*path);
  if (!files) return files;
  if (auto good = files->ignoreKeys(line.all("ignore-key")); !good) return good.error();
  sayRemarks(line, &*files);
  return files;
}

}  // namespace quern
