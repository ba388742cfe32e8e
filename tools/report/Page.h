// tools/report/Page.h — one HTML file that needs nothing else: its looks, light and dark, and tables.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace quern {

/// Colours and the looks of marks: the same in a page and in a picture alone.
std::string pictureStyle();

/// `body` is HTML, `title` text. No script, nothing that is fetched.
std::string htmlPage(std::string_view title, std::string_view body);

/// Rows of text; wider than the page it scrolls by itself.
class HtmlTable {
public:
  /// A letter for each column: 'l' text, 'c' code, 'r' numbers at the right.
  HtmlTable(std::string kinds, std::vector<std::string> head);
  void add(const std::vector<std::string>& cells);
  std::string html() const;

private:
  std::string kinds_, head_, rows_;
};

}  // namespace quern
