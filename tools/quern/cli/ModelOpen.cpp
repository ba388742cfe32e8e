// tools/quern/cli/ModelOpen.cpp — see ModelOpen.h.
#include "tools/quern/cli/ModelOpen.h"

#include "compiler/base/Log.h"
#include "tools/recorded/NamedModel.h"

namespace quern {

CommandLine& modelFlag(CommandLine& line, const std::string& help) {
  line.value("model", "M", "", help, 'm');
  return line.list("ignore-key", "NAME", "go on without this key of the model's description, with a warning (again for more)");
}

Result<void> checkModelFlag(const CommandLine& line) {
  if (line.has("ignore-key") && !line.has("model")) return badCommand("--ignore-key goes with --model");
  return {};
}

static void sayRemarks(const CommandLine& line, const WeightFiles* files) {
  if (files == nullptr || line.has("quiet")) return;
  for (const std::string& remark : files->remarks()) logWarning(remark);
}

Result<ModelSource> openModelOf(const CommandLine& line) {
  if (!line.has("model")) return badCommand("--model M is missing: a .gguf file, a folder, or a name in configs/models");
  auto source = openModel(line.get("model"), line.all("ignore-key"));
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
