// tools/quern/ModelBench.h — prefill and decode rates of a model in configs/models (random weights).
#pragma once

#include "compiler/jit/KernelLibrary.h"
#include "models/ModelConfig.h"
#include "tools/quern/BenchBaseline.h"

namespace quern {

/// Rows ppN (one forward of N prompt tokens) and tgN (N tokens, one by one, behind an empty cache), as llama-bench names
/// them; cut to the context, with a note. Errors: as Gpt2::make.
Result<std::vector<BenchRow>> benchModel(KernelLibrary& library, const ModelConfig& config, int64_t prefill, int64_t decode, const Ceilings& ceilings, const BenchSettings& settings);

}  // namespace quern
