// tools/quern/commands/BundleWeights.cpp — see BundleWeights.h.
#include "tools/quern/commands/BundleWeights.h"

#include "compiler/base/Files.h"
#include "compiler/base/LineSum.h"
#include "compiler/base/Text.h"
#include "models/files/Gguf.h"
#include "models/files/GgufWriter.h"
#include "models/files/SafetensorsWriter.h"

#include <algorithm>
#include <filesystem>
#include <fmt/format.h>
#include <set>

namespace quern {

namespace {

ByteSource bytesOfTensor(const FileTensor& tensor) { return sourceOf(std::span(tensor.data, static_cast<size_t>(tensor.bytes))); }

/// A GGUF file with all keys, and the tensors that are not packed. Returns its path.
Result<std::string> describeGguf(const std::string& folder, const WeightFiles& files, const std::set<std::string>& packed) {
  auto head = parseGguf(files.files()[0].text(), files.files()[0].path());
  if (!head) return head.error();
  GgufWriter writer;
  for (const auto& [key, bytes] : head->keys)
    if (!key.starts_with("split.") && key != "general.alignment") writer.raw(bytes);
  for (const FileTensor& tensor : files.tensors())
    if (!packed.contains(tensor.name)) writer.tensor(tensor.name, tensor.type, tensor.shape, bytesOfTensor(tensor));
  if (auto good = writer.write(folder + "/model.gguf"); !good) return good.error();
  return folder + "/model.gguf";
}

/// The small files of a folder, and the tensors that are not packed. Returns its path.
Result<std::string> describeFolder(const std::string& folder, const WeightFiles& files, const std::set<std::string>& packed) {
  for (const std::string& path : files.smallFiles()) {
    auto bytes = readFile(path);
    if (!bytes) return bytes.error();
    if (auto good = writeFileAtomically(folder + path.substr(path.find_last_of('/')), *bytes); !good) return good.error();
  }
  SafetensorsWriter writer;
  for (const FileTensor& tensor : files.tensors())
    if (!packed.contains(tensor.name)) writer.tensor(tensor.name, tensor.type, tensor.shape, bytesOfTensor(tensor));
  if (auto good = writer.write(folder + "/model.safetensors"); !good) return good.error();
  return folder;
}

std::string sumOf(const std::string& text) { return sumText(lineSum(reinterpret_cast<const std::byte*>(text.data()), text.size())); }

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

Result<void> writeModel(const std::string& directory, const ModelSource& source, BundleManifest& manifest, const ModelOptions& options) {
  if (source.files == nullptr)
    return badInput(fmt::format("{}: has random weights; --weights goes with a model's files", escaped(source.weights.label())));
  std::set<std::string> written, packed;
  std::string heads;
  for (BundleCpu& cpu : manifest.cpus) {
    ModelSource own = source;
    own.compute = computeNamed(cpu.arithmetic->compute).value_or(Compute::Exact);
    own.order = cpu.arithmetic->order == "pairs" ? PairOrder::Pairs : PairOrder::Tile32;
    auto model = packModel(std::move(own), infosOf(manifest, cpu), options);
    if (!model) return model.error();
    for (const FileTensor& tensor : model->tensors) packed.insert(tensor.name);
    packed.insert(model->parts.begin(), model->parts.end());
    auto head = packedHead(model->tensors, model->weights);
    if (!head) return head.error();
    heads += *head;
    std::string sum = sumOf(*head);
    cpu.weights = {fmt::format("weights-{}.qw", sum), sum};
    if (written.insert(sum).second)
      if (auto good = writePackedFile(directory + "/" + cpu.weights.path, *head, model->weights); !good) return good;
  }
  std::string folder = fmt::format("{}/model-{}", directory, sumOf(heads));
  if (auto good = makeDirectories(folder); !good) return good.error();
  auto path = source.hf ? describeFolder(folder, *source.files, packed) : describeGguf(folder, *source.files, packed);
  if (!path) return path.error();
  auto files = WeightFiles::open(*path);
  if (!files) return files.error();
  auto sum = descriptionSum(*files);
  if (!sum) return sum.error();
  manifest.description = {path->substr(directory.size() + 1), *sum};
  return {};
}

void removeModels(const std::string& directory, const std::string& before, const BundleManifest& now) {
  std::error_code failed;  // what stays is in no manifest
  auto names = [](const std::string& path, const std::string& name) { return path == name || path.starts_with(name + "/"); };
  for (const auto& entry : std::filesystem::directory_iterator(directory, failed)) {
    std::string name = entry.path().filename().string();
    bool folder = name.starts_with("model-"), model = folder || (name.starts_with("weights-") && name.ends_with(".qw"));
    bool theirs = model && before.find(fmt::format("= \"{}{}", name, folder ? "" : "\"")) != std::string::npos;
    bool ours = names(now.description.path, name) ||
                std::any_of(now.cpus.begin(), now.cpus.end(), [&](const BundleCpu& cpu) { return names(cpu.weights.path, name); });
    if (theirs && !ours) std::filesystem::remove_all(entry.path(), failed);
  }
}

}  // namespace quern
