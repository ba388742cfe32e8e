// tools/quern/commands/RecordColumns.cpp — see RecordColumns.h.
#include "tools/quern/commands/RecordColumns.h"

#include "compiler/base/Files.h"
#include "compiler/base/Text.h"

#include <fmt/format.h>
#include <set>

namespace quern {

Result<RecordColumn> readColumn(const std::string& command, const std::string& given) {
  size_t colon = given.rfind(':');
  bool hasColumn = colon != std::string::npos && given.find('/', colon) == std::string::npos;
  std::string file = hasColumn ? given.substr(0, colon) : given;
  auto path = findConfig("baselines", file);
  if (!path) return path.error();
  auto record = readRecordFile(*path);
  if (!record) return record.error();
  std::set<std::string> columns;
  for (const RecordRow& row : record->rows)
    for (const auto& [column, value] : row.ms) columns.insert(column);
  for (const RecordModel& model : record->models)
    for (const auto& [column, value] : model.ms) columns.insert(column);
  std::vector<std::string> known(columns.begin(), columns.end());
  RecordColumn out{std::move(*record), hasColumn ? given.substr(colon + 1) : "", given};
  if (!hasColumn) out.column = out.file.ownColumn;
  if (out.column.empty())
    return badCommand(fmt::format("{}: {} has several columns: say which, as {}:{}; columns: {}", command, escaped(given), escaped(given),
                                  known.empty() ? "COLUMN" : known[0], join(known, " ")));
  if (columns.count(out.column) == 0)
    return badCommand(fmt::format("{}: {} has no column '{}'{}; columns: {}", command, escaped(file), escaped(out.column),
                                  didYouMean(out.column, known), join(known, " ")));
  return out;
}

}  // namespace quern
