// tools/report/ReportPage.h — the page of `quern report`, and the comparison of two records as a page or a part of one.
#pragma once

#include "tools/report/Comparison.h"
#include "tools/report/Pictures.h"

namespace quern {

struct ReportFacts {
  MachineFacts machine;
  std::vector<OpFacts> ops;
  std::string date, tuneHint;                    ///< tuneHint: the command that tunes, where nothing is
  std::vector<std::string> remarks;              ///< a paragraph each
  const RecordComparison* comparison = nullptr;  ///< null: none
};
std::string reportPage(const ReportFacts& facts);

/// Sections in HTML: totals, models, bars of every row in its verdict's colour, a table of the rows.
std::string comparisonHtml(const RecordComparison& comparison);
std::string comparisonPage(const RecordComparison& comparison);
/// Every row's two times, logarithmic; `category` empty: of all.
Svg comparisonBars(const RecordComparison& comparison, const std::string& category);

}  // namespace quern
