// models/StopText.h — texts that end a generation: what comes is held back as long as it may be the beginning of one.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace quern {

/// A text that comes in pieces, up to where one of the stop strings begins, wherever pieces are cut.
///
///   for (...) { write(stop.add(piece)); if (stop.stopped()) break; }
///   write(stop.flush());
///
/// Cost   add() looks at the piece and at fewer bytes before it than the longest stop string has, once for each stop string.
class StopText {
public:
  /// Empty ones are left out: they would stop everything.
  explicit StopText(std::vector<std::string> stops);

  /// What can be shown now. Of several that are there the one that is complete first counts, of those the longest. Valid until the next
  /// call.
  std::string_view add(std::string_view piece);
  bool stopped() const { return stopped_; }
  /// What was held back, once no more comes; nothing where it was stopped.
  std::string_view flush();

private:
  std::vector<std::string> stops_;
  std::string held_, out_;
  bool stopped_ = false;
};

}  // namespace quern
