// compiler/schedule/ScheduleCheck.h — the rules that schedules share, and their messages with the nearest legal values.
#pragma once

#include "compiler/base/Result.h"
#include "compiler/target/Target.h"

#include <string>
#include <string_view>

namespace quern {

/// Collects the first reason why a schedule cannot be: "matmul schedule: nr=12 is not a multiple of lanes=8 (haswell); ...".
class ScheduleCheck {
public:
  ScheduleCheck(std::string_view family, const Target& target) : family_(family), target_(target) {}

  /// lanes: a power of two up to the vector's width.
  void lanes(int64_t value);
  void range(std::string_view key, int64_t value, int64_t low, int64_t high);
  /// In range and a multiple of another key's value.
  void multiple(std::string_view key, int64_t value, std::string_view ofKey, int64_t of, int64_t low, int64_t high);
  /// stream: 0, or a size, with vectors that can go past the caches.
  void stream(int64_t value, int64_t vectorLanes);
  void fail(std::string message);
  bool good() const { return failed_.empty(); }
  /// Errors   Infeasible.
  Result<void> finish() const;

private:
  std::string family_;
  const Target& target_;
  std::string failed_;
};

}  // namespace quern
