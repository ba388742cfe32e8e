// tuner/records/Merge.h — what several machines, or several shards on one, found out, joined in one cache directory.
#pragma once

#include "compiler/base/Result.h"

#include <cstdint>
#include <string>
#include <vector>

namespace quern {

struct MergeCounts {
  int64_t records = 0;  ///< decisions taken over
  int64_t older = 0;    ///< decisions left out: there is one about the same op and CPU that is as new
  int64_t lines = 0;    ///< of journals, taken over
  int64_t kernels = 0;
  int64_t damaged = 0;  ///< lines set aside
};

/// Takes the decisions, the journals and the kernels of `from` over into `directory`. `from`: cache directories, or their records.txt and
/// journal.txt alone. Decisions about one op on one CPU go together, the newest win; what is there already is not written again.
/// Errors   BadInput: a path that is none of these; nothing in all of them that can be used. Machine: what cannot be written.
Result<MergeCounts> mergeCaches(const std::string& directory, const std::vector<std::string>& from);

}  // namespace quern
