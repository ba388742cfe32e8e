// tools/quern/commands/BundleWeights.cpp — see BundleWeights.h.
#include "tools/quern/commands/BundleWeights.h"

#include "compiler/base/Files.h"
#include "compiler/base/Sha256.h"
#include "compiler/base/Text.h"
#include "models/files/Gguf.h"
#include "models/files/GgufWriter.h"
#include "models/files/SafetensorsWriter.h"

#include <algorithm>
#include <fmt/format.h>
#include <set>

namespace quern {

namespace {

ByteSource bytesOfTensor(const FileTensor& tensor) { return sourceOf(std::span(tensor.data, static_cast<size_t>(tensor.bytes))); }

/// A GGUF file with all keys, and the tensors that are not packed.
Result<std::string> describeGguf(const std::string& folder, const WeightFiles& files, const std::set<std::string>& packed) {
  auto head = parseGguf(files.files()[0].text(), files.files()[0].path());
  if (!head) return head.error();
  GgufWriter writer;
  for (const auto& [key, bytes] : head->keys)
    if (!key.starts_with("split.") && key != "general.alignment") writer.raw(bytes);
  for (const FileTensor& tensor : files.tensors())
    if (!packed.contains(tensor.name)) writer.tensor(tensor.name, tensor.type, tensor.shape, bytesOfTensor(tensor));
  std::string path = folder + "/model.gguf";
  if (auto good = writer.write(path); !good) return good.error();
  return std::string(kDescriptionFolder) + "/model.gguf";
}

/// The small files of a folder, and the tensors that are not packed.
Result<std::string> describeFolder(const std::string& folder, const WeightFiles& files, const std::set<std::string>& packed) {
  for (const std::string& path : {files.configPath(), files.tokenizerPath(), files.tokenizerConfigPath(), files.generationPath()}) {
    if (path.empty()) continue;
    auto bytes = readFile(path);
    if (!bytes) return bytes.error();
    if (auto good = writeFileAtomically(folder + path.substr(path.find_last_of('/')), *bytes); !good) return good.error();
  }
  SafetensorsWriter writer;
  for (const FileTensor& tensor : files.tensors())
    if (!packed.contains(tensor.name)) writer.tensor(tensor.name, tensor.type, tensor.shape, bytesOfTensor(tensor));
  if (auto good = writer.write(folder + "/model.safetensors"); !good) return good.error();
  return std::string(kDescriptionFolder);
}

/// What kernels of the bundle say of themselves; none of them is loaded: they may be for another CPU.
KernelProvider infosOf(const BundleManifest& manifest, const BundleCpu& cpu) {
  return [&manifest, name = cpu.name](const OpDesc& op) -> Result<KernelSet> {
    const BundleSet* set = manifest.set(text(op), name);
    if (set == nullptr) return internalError(fmt::format("{} is not in the bundle", text(op)));
    auto kernel = std::make_shared<CompiledKernel>();
    kernel->info = manifest.kernel(set->wide)->info;
    return KernelSet(std::move(kernel));
  };
}

}  // namespace

Result<std::vector<std::string>> writeModel(const std::string& directory, const ModelSource& source, BundleManifest& manifest,
                                            const ModelOptions& options) {
  if (source.files == nullptr)
    return badInput(fmt::format("{}: has random weights; --weights goes with a model's files", escaped(source.weights.label())));
  std::set<std::string> names, packed;
  for (BundleCpu& cpu : manifest.cpus) {
    ModelSource own = source;
    own.compute = computeNamed(cpu.model->compute).value_or(Compute::Exact);
    own.order = cpu.model->order == "pairs" ? PairOrder::Pairs : PairOrder::Tile32;
    auto model = packModel(std::move(own), infosOf(manifest, cpu), options);
    if (!model) return model.error();
    for (const FileTensor& tensor : model->tensors) packed.insert(tensor.name);
    auto head = packedHead(model->tensors, model->weights);
    if (!head) return head.error();
    auto hash = sha256(*head);
    if (!hash) return hash.error();
    cpu.weights = fmt::format("weights-{}.qw", hash->substr(0, 16));
    if (names.insert(cpu.weights).second)
      if (auto good = writePackedFile(directory + "/" + cpu.weights, *head, model->weights); !good) return good.error();
  }
  std::string folder = fmt::format("{}/{}", directory, kDescriptionFolder);
  if (auto good = makeDirectories(folder); !good) return good.error();
  auto description = source.hf ? describeFolder(folder, *source.files, packed) : describeGguf(folder, *source.files, packed);
  if (!description) return description.error();
  manifest.description = *description;
  return std::vector<std::string>(names.begin(), names.end());
}

}  // namespace quern
