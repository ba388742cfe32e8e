// tools/quern/commands/BundleWeights.h — the model in a bundle: its description as small files, its weights packed for the bundle's CPUs.
#pragma once

#include "compiler/store/Bundle.h"
#include "models/Model.h"

namespace quern {

/// Writes into a bundle, as it is so far, what `source` is: its description, and for each CPU its weights, which CPUs that want them alike
/// share. Names go by the content, so that an earlier bundle there stays whole until its manifest is replaced. Fills `manifest`.
/// Errors   BadInput: no files to take it from; as packModel. Machine: what the file system refused.
Result<void> writeModel(const std::string& directory, const ModelSource& source, BundleManifest& manifest, const ModelOptions& options);

/// Removes the models of earlier bundles, those that their manifest `before` names and `now` does not.
void removeModels(const std::string& directory, const std::string& before, const BundleManifest& now);

}  // namespace quern
