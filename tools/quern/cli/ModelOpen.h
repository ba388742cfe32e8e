// tools/quern/cli/ModelOpen.h — the model that --model names, as --ignore-key has it read: what all commands on models share.
#pragma once

#include "compiler/store/Bundle.h"
#include "models/ModelSource.h"
#include "tools/quern/cli/CommandLine.h"

namespace quern {

inline constexpr const char* kModelMissing = "--model M is missing: a .gguf file, a folder, or a name in configs/models";
inline constexpr const char* kBundleWithout = "; the bundle has none of its own (quern emit --weights)";

/// --model -m and --ignore-key. `help`: what M may be.
CommandLine& modelFlag(CommandLine& line, const std::string& help);
/// --compute, --order and --lora, of commands that run or compile a model's kernels; openModelOf heeds them.
CommandLine& computeFlags(CommandLine& line);

/// Errors   BadCommand: --ignore-key without --model, which would ignore nothing.
Result<void> checkModelFlag(const CommandLine& line);

/// Opens --model with its adapters, to be computed on --cpu, of several the first; what was passed over or ignored is said on stderr, and
/// where --compute asks for rounding and rounds no product.
/// Errors   BadCommand: no --model; as openModel.
/// `bundled`: what a bundle's kernels compute in, where nothing else is asked for.
Result<ModelSource> openModelOf(const CommandLine& line, const BundleArithmetic* bundled = nullptr);
/// A bundle's own model: as it was packed, so --compute, --order, --lora and --ignore-key have no place there.
/// Errors   BadCommand: they are given; as openPackedModel.
Result<ModelSource> openBundledModel(const CommandLine& line, const BundledModel& model, const BundleArithmetic& computed);
/// What --model names, or else the description of the model in --bundle: for commands that need no weights.
/// Errors   BadCommand: neither; a bundle without a model. As Bundle::open.
Result<std::string> modelPathOf(const CommandLine& line);
/// What the products of an open model are computed in on another CPU, as --compute and --order have it. Errors: BadCommand.
Result<void> computeFor(const CommandLine& line, const Target& target, ModelSource& source);
/// The files alone, not described yet. Errors: as WeightFiles::open and ignoreKeys.
Result<WeightFiles> openFilesOf(const CommandLine& line);

}  // namespace quern
