// tools/quern/commands/ModelFacts.h — what `info` says of a model: its sizes as far as its files tell, and what stands against it.
#pragma once

#include "compiler/target/Target.h"
#include "models/Adapter.h"
#include "models/Model.h"
#include "models/ProductArithmetic.h"
#include "models/files/WeightFiles.h"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace quern {

/// What products are computed in with one --compute.
struct RoundedFacts {
  Compute compute = Compute::Fast;
  std::vector<ProductArithmetic> products;
  std::string refused;  ///< why the CPU cannot; "": it can
};

/// How a model would be run.
struct ModelAsked {
  ModelOptions options;  ///< of which context and kvType are heeded
  std::vector<AdapterName> adapters;
};

struct ModelFacts {
  std::string architecture, name;
  std::optional<int64_t> context, width, layers, heads, kvHeads, hidden, vocab;
  std::map<std::string, std::vector<int64_t>> layerSizes;        ///< of those whose layers differ, by JSON's name; above is the largest
  std::string tokenizer;                                         ///< "gpt2", "llama", "tokenizer.json" ...; "": none
  std::optional<int64_t> tokens;                                 ///< of the tokenizer
  int64_t parameters = 0;                                        ///< elements of all tensors
  std::vector<std::pair<std::string_view, int64_t>> cacheBytes;  ///< of a KV cache of `context` positions, by --kv, as far as it can be
  std::vector<std::string> refused;                              ///< each a reason why a command would refuse the model or a part of it
  std::vector<RoundedFacts> rounded;                             ///< of every --compute but exact; empty: the model would be refused
  Compute compute = Compute::Exact;                              ///< without --compute, on the target
  std::optional<ModelMemory> memory;                             ///< with default schedules; nothing: the model would be refused
  int64_t adapted = 0;                                           ///< elements of all adapters
};

/// What files say, whether reading them as a model and as a tokenizer would be refused, and what `target` would compute in.
ModelFacts factsOf(const WeightFiles& files, const Target& target, const ModelAsked& asked);
/// A name in configs/models.
ModelFacts factsOf(const ModelConfig& config, const Target& target, const ModelAsked& asked);

/// One weight that is not finite.
struct BadWeight {
  std::string tensor;
  int64_t index = 0;  ///< of the first such element
  float value = 0;
  int64_t count = 0;  ///< of such elements in this tensor
};

struct WeightCheck {
  int64_t tensors = 0, values = 0;
  std::vector<std::string> skipped;  ///< tensors whose type has no floats or cannot be converted
  std::vector<BadWeight> bad;        ///< the first and the number of each tensor that has any
};

/// Reads every tensor. `progress` gets the bytes read so far.
template <class Progress>
WeightCheck checkWeights(const WeightFiles& files, Progress progress);

/// One tensor's part of it: adds to `check`.
void checkTensor(const FileTensor& tensor, WeightCheck& check);

template <class Progress>
WeightCheck checkWeights(const WeightFiles& files, Progress progress) {
  WeightCheck check;
  int64_t done = 0;
  for (const FileTensor& tensor : files.tensors()) {
    checkTensor(tensor, check);
    files.drop(tensor);
    progress(done += tensor.bytes);
  }
  return check;
}

}  // namespace quern
