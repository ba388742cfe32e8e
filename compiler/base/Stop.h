// compiler/base/Stop.h — when to give up: a value handed down to whatever may take long, and asked there many times a second.
#pragma once

#include "compiler/base/Result.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>
#include <limits>

namespace quern {

/// A flag that somebody sets (a signal, a test), a moment, both, or neither. What it points to outlives all copies.
class Stop {
public:
  using Clock = std::function<double()>;  ///< seconds, only forward

  /// Never.
  Stop() = default;
  /// Once *flag is not 0. `clock`: what moments are read from; null: the machine's.
  explicit Stop(const std::atomic<int>* flag, const Clock* clock = nullptr) : flag_(flag), clock_(clock) {}

  /// This, and at the latest so many seconds from now.
  Stop within(double seconds) const {
    Stop sooner = *this;
    sooner.end_ = std::min(end_, now() + seconds);
    return sooner;
  }

  bool asked() const { return flagged() || (end_ != kNever && now() >= end_); }
  /// By its flag: whoever set it wants the end of everything, not only of one step.
  bool flagged() const { return flag_ != nullptr && *flag_ != 0; }
  /// Can it ever be asked?
  bool possible() const { return flag_ != nullptr || end_ != kNever; }
  /// Until the moment; Inf without one.
  double secondsLeft() const { return end_ - now(); }

private:
  static constexpr double kNever = std::numeric_limits<double>::infinity();

  double now() const {
    if (clock_ != nullptr) return (*clock_)();
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
  }

  const std::atomic<int>* flag_ = nullptr;
  const Clock* clock_ = nullptr;
  double end_ = kNever;
};

/// The code of errors that are no failure: somebody asked for the end. The program's status for SIGINT.
inline constexpr auto kStopped = static_cast<ErrorCode>(130);
/// What a function returns that was asked to stop before `what` was done.
inline Error stoppedError(const std::string& what) { return {kStopped, what + ": stopped before it was done"}; }

}  // namespace quern
