// models/ModelLoad.h — a graph's weights into memory, in the layout of the kernels that will read them.
#pragma once

#include "compiler/base/Stop.h"
#include "models/ModelGraph.h"
#include "models/PackedFile.h"
#include "models/RopeAngles.h"

#include <functional>

namespace quern {

struct LoadOptions {
  int threads = 1;
  std::function<void(double done, double total)> progress;  ///< bytes of source
  std::function<void(const std::string& line)> note;        ///< what a conversion costs
  Stop stop = {};                                           ///< asked before each weight
  const PackedFile* packed = nullptr;                       ///< weights that are packed already; outlives what is loaded
};

/// Where the weights are, and what of them a forward of one token reads.
struct LoadedWeights {
  HugeMemory memory;
  int64_t bytesPerToken = 0;
  std::vector<RopeAngles> angles;    ///< of a model that turns positions, each table's
  std::vector<PackedWeight> packed;  ///< every packed weight of the graph, in its order
};

/// What loadWeights would take of memory. Of `kernels` only what they say of their packing is used. Errors: those that it finds first.
Result<int64_t> loadedBytes(ModelGraph& graph, const Weights& weights, const KernelProvider& kernels);

/// Packs every weight once and gives its address to the graph's plan; source pages are dropped as they are done.
///
/// Ownership  the memory returned; tables that are not a packed head's stay where `weights` has them.
/// With `packed` those are taken from there, each after its sum was found right, if they are packed as the kernels want them.
///
/// Errors     what `kernels` says; BadInput: a weight that cannot be converted, or that is packed otherwise or damaged; Machine
///            for memory.
Result<LoadedWeights> loadWeights(ModelGraph& graph, const Weights& weights, const KernelProvider& kernels, const LoadOptions& options);

}  // namespace quern
