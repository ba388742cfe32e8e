// tools/quern/bench/ModelBench.h — prefill and decode rates of a model, from files or with random weights.
#pragma once

#include "models/Session.h"
#include "tools/quern/bench/BenchRow.h"

namespace quern {

/// What of a model is timed.
struct ModelBenchPlan {
  int64_t prefill = 512, decode = 128;  ///< tokens; 0: not
  int64_t depth = 0;                    ///< positions in the cache before either
  ElementType kvType = ElementType::F32;
};

/// Rows ppN (a prompt of N tokens, the last one's logits) and tgN (N tokens one by one), as llama-bench names them, with @dD behind a
/// cache of depth D; cut to the context, with a note. Of an encoder embN, vectors of N texts of 8 to 256 tokens. Percent of the ceiling:
/// flops of the fma rate for prompts and texts, and for single tokens the bytes of weights and cache of the memory's read rate on all
/// threads.
/// `target`: the CPU that the kernels are for.
/// Errors   as Session::load.
Result<std::vector<BenchRow>> benchModel(const KernelProvider& kernels, const Target& target, ModelSource source,
                                         const ModelBenchPlan& plan, const Ceilings& ceilings, const BenchSettings& settings);

}  // namespace quern
