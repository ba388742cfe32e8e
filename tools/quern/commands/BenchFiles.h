// tools/quern/commands/BenchFiles.h — what `quern bench --against ... --json FILE` wrote, read back: other libraries beside us.
#pragma once

#include "compiler/base/Result.h"
#include "tools/report/Svg.h"

#include <map>
#include <string>
#include <vector>

namespace quern {

struct BenchedPeer {
  std::string name;
  Interval ratio;  ///< its time over ours
};

struct BenchedRow {
  std::string schedule, note;
  int64_t threads = 1;
  Interval ns;  ///< ours, one call
  std::vector<BenchedPeer> peers;
};

/// Rows with peers, by op, in the order of the files; those of no op or without peers are passed over.
/// Errors   BadInput naming the file: no JSON, no rows, a figure that no measurement gives.
Result<std::map<std::string, std::vector<BenchedRow>>> readBenchFiles(const std::vector<std::string>& paths);

}  // namespace quern
