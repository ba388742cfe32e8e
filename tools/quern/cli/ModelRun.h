// tools/quern/cli/ModelRun.h — a model from its name on the command line to one that runs: what generate, logits and perplexity share.
#pragma once

#include "models/KvTypes.h"
#include "models/Session.h"
#include "models/TextEncoder.h"
#include "models/tokenizer/ModelTokenizer.h"
#include "tools/quern/cli/ModelKernels.h"
#include "tools/quern/cli/Words.h"

namespace quern {

/// Flags --model -m, --ignore-key, --threads, --kv, --context -c, and those of openModelKernels.
CommandLine& modelFlags(CommandLine& line);

/// The same for what makes vectors: no KV cache.
CommandLine& encoderFlags(CommandLine& line);

/// --model, or else the model in the bundle that the kernels come from. Errors: BadCommand: there is neither; as what opens them.
Result<ModelSource> openModelFor(const CommandLine& line, const ModelKernels& kernels);

/// A model's files, described, and where its kernels come from.
struct OpenedModel {
  std::unique_ptr<ModelKernels> kernels;
  ModelSource source;
};
/// Opens what modelFlags say; nothing is loaded yet. Errors: as openModelKernels and openModelOf.
Result<OpenedModel> openModelToRun(const CommandLine& line);

/// A model with its kernels, which outlive it.
struct RunningModel {
  std::unique_ptr<ModelKernels> kernels;
  std::unique_ptr<Session> session;
};

/// Loads what modelFlags say, with a progress bar on a terminal.
/// Errors   BadCommand: flags; what openModel, Session::load say.
Result<RunningModel> loadModel(const CommandLine& line, int64_t chunk = 512);
/// The same from files that are open.
Result<RunningModel> loadModel(const CommandLine& line, OpenedModel opened, int64_t chunk = 512);

/// --kv, else the bundle's. Errors: BadCommand: another name.
Result<ElementType> kvTypeOf(const CommandLine& line, const BundleArithmetic* bundled = nullptr);

/// "512 tokens".
std::string tokensText(double count);

/// A model that is an encoder, with its kernels, which outlive it.
struct RunningEncoder {
  std::unique_ptr<ModelKernels> kernels;
  std::unique_ptr<TextEncoder> encoder;
};
/// As loadModel. Errors: those, and BadInput: a model that is no encoder.
Result<RunningEncoder> loadEncoder(const CommandLine& line, OpenedModel opened, int64_t chunk = 512);

/// A prompt of so many tokens that goes through in chunks, with a progress bar; ends behind the chunk in which a signal came. Returns how
/// many went through. Errors: those of `forward`.
Result<int64_t> promptShown(const CommandLine& line, size_t tokens, const Stop& interrupted,
                            const std::function<Result<int64_t>(const Session::GoOn& goOn)>& forward);

/// "1,2,3". Errors: BadCommand naming the flag and what is no id.
Result<std::vector<int32_t>> idsOf(const std::string& flag, const std::string& text);

}  // namespace quern
