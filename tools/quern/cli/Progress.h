// tools/quern/cli/Progress.h — how far something is, for people who wait.
#pragma once

#include <string>

namespace quern {

/// A bar with the time left on stderr, once something has taken half a second. Takes itself away.
class ProgressBar {
public:
  /// `wanted`: wantsProgress(line). `amount` prints how much is done or all: humanBytes, a count.
  ProgressBar(bool wanted, std::string label, std::string (*amount)(double));
  ~ProgressBar();
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  /// Takes it away for now: before a line is printed.
  void clear();
  /// Shows at most ten times a second.
  void show(double done, double total);

private:
  bool wanted_, visible_ = false;
  std::string label_;
  std::string (*amount_)(double);
  double started_, shown_ = 0;
};

}  // namespace quern
