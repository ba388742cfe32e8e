// compiler/schedule/ScheduleField.h — one key of a schedule: its text name, where it is kept, what it means.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace quern {

/// Keys are whole numbers, or words: then the value is the index into `words`.
template <class Schedule>
struct ScheduleField {
  std::string_view key;
  int64_t Schedule::* member;
  std::string_view meaning;
  std::vector<std::string_view> words;
};

}  // namespace quern
