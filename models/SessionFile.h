// models/SessionFile.h — a session on disk: its ids, what its KV cache holds of them, and what its owner says of it.
#pragma once

#include "models/Session.h"

#include <string>
#include <vector>

namespace quern {

/// What was saved beside the cache.
struct SavedSession {
  std::vector<int32_t> ids;  ///< of the positions that are filled, from 0 on
  std::string note;          ///< the owner's
};

/// Layout   lines "quern-session 1", "model ARCHITECTURE SIZES", "weights SUM", "computed KV COMPUTE ORDER", "ids N", "note BYTES",
///          "rows BYTES SUM" for each buffer of the cache, "sums IDS NOTE", "head SUM" over all lines before it, "end"; then the ids
///          (int32), the note and the rows, end to end, and nothing behind them. Sums are lineSum in 16 hexadecimal digits; numbers
///          little-endian.
///
/// Written to a temporary name beside `path` and renamed.
/// Errors   BadInput: more ids than positions, or outside the vocabulary, positions that are no longer kept; Machine: what the file system
///          refused.
Result<void> saveSession(const std::string& path, Session& session, const SavedSession& saved);

/// Fills the session's cache with what saveSession wrote; what it had is gone, unless there is an error.
/// Errors   BadInput naming file and field: no such file, another form, damage, another model or weights, another --kv or --compute,
///          more ids than the session has positions.
Result<SavedSession> loadSession(const std::string& path, Session& session);

}  // namespace quern
