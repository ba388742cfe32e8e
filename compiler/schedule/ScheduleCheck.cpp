// compiler/schedule/ScheduleCheck.cpp — see ScheduleCheck.h.
#include "compiler/schedule/ScheduleCheck.h"

#include "compiler/base/Text.h"

#include <algorithm>
#include <fmt/format.h>

namespace quern {

void ScheduleCheck::fail(std::string message) {
  if (failed_.empty()) failed_ = std::move(message);
}

void ScheduleCheck::lanes(int64_t value) {
  std::vector<std::string> legal;
  bool good = false;
  for (int64_t width = 1; width <= target_.vectorLanes(); width *= 2) {
    legal.push_back(std::to_string(width));
    good = good || value == width;
  }
  if (!good)
    fail(fmt::format("lanes={} is not a vector of {} ({} bits); legal lanes: {}", value, target_.name, target_.isa().vectorBits,
                     join(legal, ", ")));
}

void ScheduleCheck::range(std::string_view key, int64_t value, int64_t low, int64_t high) {
  if (value < low || value > high) fail(fmt::format("{}={} is out of range; legal {}: {} to {}", key, value, key, low, high));
}

void ScheduleCheck::multiple(std::string_view key, int64_t value, std::string_view ofKey, int64_t of, int64_t low, int64_t high) {
  range(key, value, low, high);
  if (!good() || of <= 0 || value % of == 0) return;
  int64_t below = value / of * of;
  std::string legal = below > 0 ? fmt::format("{}, {}", below, below + of) : fmt::format("{}", of);
  fail(fmt::format("{}={} is not a multiple of {}={} (f32, {}); nearest legal {}: {}", key, value, ofKey, of, target_.name, key, legal));
}

void ScheduleCheck::stream(int64_t value, int64_t vectorLanes) {
  constexpr int64_t kLeast = 4, kMost = int64_t{1} << 40;
  range("stream", value, 0, kMost);
  if (value > 0 && vectorLanes < kLeast)
    fail(fmt::format("stream={} with lanes={}, which are less than 16 bytes; legal: stream=0, or lanes from {} on", value, vectorLanes,
                     kLeast));
}

Result<void> ScheduleCheck::finish() const {
  if (failed_.empty()) return {};
  return infeasible(fmt::format("{} schedule: {}", family_, failed_));
}

}  // namespace quern
