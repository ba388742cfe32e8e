// tuner/records/JournalLine.h — what the tuner writes down while it works, a line each: questions, candidates, turns of timing, ends.
#pragma once

#include "compiler/base/Result.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace quern {

/// What is asked: the fastest schedule of an op, on what, starting from which kernel, tried how hard.
struct TuneQuestion {
  std::string op;
  std::string at;         ///< run-time dimensions that are timed: "m=34"; and what else decides the regime
  std::string anchor;     ///< schedule of the kernel that all are timed against
  std::string cpu;        ///< as in records.txt
  std::string generator;  ///< fingerprint of what made the kernels
  std::string effort;     ///< and what of an op it is: "measure", "measure rows", "measure confirm"
  bool operator==(const TuneQuestion&) const = default;
};
/// As a line keeps it (quotes, odd characters): what is read back is equal to this.
TuneQuestion asWritten(TuneQuestion question);

/// One line of journal.txt. Which fields are used is the kind's affair; the others keep their defaults.
struct JournalLine {
  enum class Kind : uint8_t {
    Run,    ///< opens a run: the question, the date
    Met,    ///< a candidate was compiled and verified: schedule, predicted, object; outcome: empty, or why it is out
    Turn,   ///< it was timed: schedule, ratios, ns of one call of the anchor
    Again,  ///< it was verified once more after that: schedule, outcome
    End,    ///< closes a run: the winner, its ratio and interval; outcome
  };
  Kind kind = Kind::Met;
  std::string run;  ///< names the run on every line
  std::string schedule, outcome, object, date;
  double predicted = 0, ns = 0, ratio = 0, low = 0, high = 0;
  std::vector<double> ratios;
  TuneQuestion question;
};

/// Without a checksum. Doubles keep as many digits as decide anything; `parse(text(x))` has the values of `rounded(x)`.
std::string text(const JournalLine& line);
/// Errors   BadInput: what is missing or malformed.
Result<JournalLine> parseJournalLine(std::string_view line);
/// A ratio as a line keeps it: what is decided from a fresh sample is then what is decided from the journal.
double rounded(double ratio);

}  // namespace quern
