// tools/quern/cli/ModelOpen.cpp — see ModelOpen.h.
#include "tools/quern/cli/ModelOpen.h"

#include "compiler/base/Log.h"
#include "compiler/base/Text.h"
#include "tools/recorded/NamedModel.h"

#include <fmt/format.h>

namespace quern {

CommandLine& modelFlag(CommandLine& line, const std::string& help) {
  line.value("model", "M", "", help, 'm');
  line.value("compute", "HOW", "exact", "exact: weights as they are, in f32; fast: of types in blocks, activations rounded to bytes");
  return line.list("ignore-key", "NAME", "go on without this key of the model's description, with a warning (again for more)");
}

Result<void> checkModelFlag(const CommandLine& line) {
  for (const char* flag : {"ignore-key", "compute"})
    if (line.has(flag) && !line.has("model")) return badCommand(fmt::format("--{} goes with --model", flag));
  return {};
}

static void sayRemarks(const CommandLine& line, const WeightFiles* files) {
  if (files == nullptr || line.has("quiet")) return;
  for (const std::string& remark : files->remarks()) logWarning(remark);
}

Result<ModelSource> openModelOf(const CommandLine& line) {
  if (!line.has("model")) return badCommand("--model M is missing: a .gguf file, a folder, or a name in configs/models");
  std::string compute = line.get("compute");
  if (compute != "exact" && compute != "fast") return badCommand(fmt::format("--compute {}: exact or fast is needed", escaped(compute)));
  auto source = openModel(line.get("model"), line.all("ignore-key"));
  if (source && compute == "fast") source->compute = Compute::Fast;
  if (source) sayRemarks(line, source->files.get());
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
