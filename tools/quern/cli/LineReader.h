// tools/quern/cli/LineReader.h — lines that a person types, edited and remembered by libedit, or that come through a pipe.
#pragma once

#include "compiler/base/Result.h"

#include <memory>
#include <optional>
#include <string>

namespace quern {

/// On a terminal libedit is loaded, where the machine has it: keys move and edit, arrows go through what was typed before, which is kept
/// as long as this and nowhere else. Without it, and through pipes, lines come as they are.
/// Threads  one, and one of these at a time.
class LineReader {
public:
  LineReader();
  ~LineReader();
  LineReader(const LineReader&) = delete;
  LineReader& operator=(const LineReader&) = delete;

  /// The next line without its end; one that ends with a backslash goes on in the line behind it. Nothing at the input's end.
  /// Errors   BadInput: more than 1 MiB of it; what the system says of the input.
  Result<std::optional<std::string>> next();
  /// Whether a person types, whom "> " asks for it.
  bool terminal() const { return terminal_; }

private:
  struct Editor;
  Result<std::optional<std::string>> single(bool more);

  std::string ahead_;  ///< read, but not handed out yet
  bool terminal_;
  std::unique_ptr<Editor> editor_;
};

}  // namespace quern
