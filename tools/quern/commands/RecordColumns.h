// tools/quern/commands/RecordColumns.h — the columns of records that a command line names.
#pragma once

#include "tools/report/Comparison.h"

namespace quern {

/// FILE, FILE:COLUMN or NAME:COLUMN. A bare file means its own run. `command` opens the messages.
/// Errors   BadInput: the file; BadCommand: no such column, or one of several must be named.
Result<RecordColumn> readColumn(const std::string& command, const std::string& given);

}  // namespace quern
