// compiler/op/Workload.h — ops with how often and in what cache state they run: what a model hands to the tuner.
#pragma once

#include "compiler/op/OpDesc.h"

#include <functional>

namespace quern {

/// Where an op's data lives when it runs.
enum class CacheState : uint8_t {
  Hot,          ///< the same operands again and again
  ColdWeights,  ///< every call reads weights that the calls between have pushed out (decode)
};

std::string_view text(CacheState state);

/// A size of calls, and how often it occurs among the others.
struct SizePoint {
  DimValues dims;
  double weight = 1;
};

struct WorkloadItem {
  OpDesc op;
  DimValues sample;  ///< run-time dimensions as they occur: what to verify and, where `sizes` is empty, to time with
  double calls = 1;  ///< per unit of the workload (one forward, one scope)
  CacheState cacheState = CacheState::Hot;
  double priority = 0;           ///< tuned in descending order (longest recorded time first)
  std::vector<SizePoint> sizes;  ///< where calls are of several sizes, none larger than the sample: what is timed is a mix of these
  int threads = 1;               ///< that share a call
};

struct Workload {
  std::string name;
  std::vector<WorkloadItem> items;
};

/// Rows of a short prompt.
inline constexpr int64_t kUsualRows = 32;
/// Positions of a long text.
inline constexpr int64_t kUsualKeys = 2048;
/// Run-time dimensions as they are tuned where nothing says better: so many rows; of attention so many keys.
DimValues usualDims(const OpDesc& op);

/// How many calls of each size make one round of a mix: as the weights have it, each at least once, sixteen in all or a little more.
std::vector<int> callsOfRound(const std::vector<SizePoint>& sizes);

/// What the item asks for beside the op: "m=32 sizes=[m=22 x3, m=32] cold-weights threads=2"; what goes without saying is left out.
std::string regimeOf(const WorkloadItem& item);
/// The item, of its op, that such a text was made of. Errors: BadInput, where it is none, or one of sizes that no call has.
Result<WorkloadItem> parseRegime(const OpDesc& op, std::string_view regime);
/// A figure of one call: of a mix, the mean.
double meanOf(const WorkloadItem& item, const std::function<double(const OpDesc& bound)>& figure);

/// "m=32 kv=25"
inline std::string text(const DimValues& dims) {
  std::string out;
  for (const auto& [name, value] : dims) out += (out.empty() ? "" : " ") + name + "=" + std::to_string(value);
  return out;
}

inline std::string_view text(CacheState state) { return state == CacheState::Hot ? "hot" : "cold-weights"; }

}  // namespace quern
