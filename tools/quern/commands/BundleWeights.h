// tools/quern/commands/BundleWeights.h — the model in a bundle: its description as small files, its weights packed for the bundle's CPUs.
#pragma once

#include "compiler/store/Bundle.h"
#include "models/Model.h"

namespace quern {

/// The folder of a bundle that its model's description lies in.
inline constexpr const char* kDescriptionFolder = "model";

/// Writes into a bundle, as it is so far, what `source` is: the description once, and for each CPU its weights, which CPUs that want them
/// alike share. Fills `manifest`. Returns the names of the files of packed weights.
/// Errors   BadInput: no files to take it from; as packModel. Machine: what the file system refused.
Result<std::vector<std::string>> writeModel(const std::string& directory, const ModelSource& source, BundleManifest& manifest,
                                            const ModelOptions& options);

}  // namespace quern
