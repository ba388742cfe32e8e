// models/ModelSource.h — what a model is made from: its architecture, sizes and weights.
#pragma once

#include "compiler/store/Bundle.h"
#include "models/PackedFile.h"
#include "models/arch/Architecture.h"

#include <memory>
#include <optional>

namespace quern {

/// An adapter on top of a model's weights (Adapter.h).
struct SourceAdapter {
  std::shared_ptr<const WeightFiles> files;
  double scale = 1;
};

/// A described model; its weights are not read yet. Keeps files mapped, or the memory that weights lie in.
struct ModelSource {
  const Architecture* architecture = nullptr;
  ModelConfig config;
  Weights weights{""};
  Compute compute = Compute::Exact;          ///< what its products are computed in: asked for by whoever opens it
  PairOrder order = PairOrder::Tile32;       ///< of products of bf16
  bool hf = false;                           ///< weights as Hugging Face stores them
  std::shared_ptr<const WeightFiles> files;  ///< null: weights in memory
  std::shared_ptr<void> owned;               ///< what weights in memory lie in
  std::vector<SourceAdapter> adapters;       ///< in the order in which they were added
  std::shared_ptr<const PackedFile> packed;  ///< weights that the files lack, packed for the kernels; null: none
};

/// `path`: a .gguf file, or a folder with config.json and *.safetensors.
/// `ignoredKeys`: keys of its description that are taken as absent; the files' remarks name them.
/// Errors   BadInput naming file, field, value and what would be right; BadCommand: an ignored key that is not there.
Result<ModelSource> openModelFiles(const std::string& path, std::span<const std::string> ignoredKeys = {});

/// A model whose products' weights lie packed, the rest in model files as openModelFiles has them.
/// It is computed in what it was packed for.
/// Errors   as openModelFiles and PackedFile::open; BadInput: a file of either is not the one of its sum.
Result<ModelSource> openPackedModel(const BundledModel& model, const BundleArithmetic& computed);
/// sumText over the bytes of a model's files, those beside config.json too that are read. Errors: as MappedFile::open.
Result<std::string> descriptionSum(const WeightFiles& files);

/// Describes the architecture of files without their weights' values. Errors: BadInput as openModelFiles.
Result<ModelSource> describeModel(std::shared_ptr<const WeightFiles> files);

}  // namespace quern
