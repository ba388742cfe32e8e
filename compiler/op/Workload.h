// compiler/op/Workload.h — ops with how often and in what cache state they run: what a model hands to the tuner.
#pragma once

#include "compiler/op/OpDesc.h"

namespace quern {

/// Where an op's data lives when it runs.
enum class CacheState : uint8_t {
  Hot,          ///< the same operands again and again
  ColdWeights,  ///< every call reads weights that the calls between have pushed out (decode)
};

std::string_view text(CacheState state);

struct WorkloadItem {
  OpDesc op;
  DimValues sample;  ///< run-time dimensions as they occur: what to time with
  double calls = 1;  ///< per unit of the workload (one forward, one scope)
  CacheState cacheState = CacheState::Hot;
  double priority = 0;  ///< tuned in descending order (longest recorded time first)
};

struct Workload {
  std::string name;
  std::vector<WorkloadItem> items;
};

/// Rows of a short prompt.
inline constexpr int64_t kUsualRows = 32;
/// Run-time dimensions as they are tuned where nothing says better: so many of each.
inline DimValues usualDims(const OpDesc& op) {
  DimValues dims;
  for (const std::string& name : runtimeDims(op)) dims[name] = kUsualRows;
  return dims;
}

/// "m=32 kv=25"
inline std::string text(const DimValues& dims) {
  std::string out;
  for (const auto& [name, value] : dims) out += (out.empty() ? "" : " ") + name + "=" + std::to_string(value);
  return out;
}

inline std::string_view text(CacheState state) { return state == CacheState::Hot ? "hot" : "cold-weights"; }

}  // namespace quern
