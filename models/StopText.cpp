// models/StopText.cpp — see StopText.h.
#include "models/StopText.h"

#include <algorithm>

namespace quern {

StopText::StopText(std::vector<std::string> stops) : stops_(std::move(stops)) {
  std::erase_if(stops_, [](const std::string& each) { return each.empty(); });
}

std::string_view StopText::add(std::string_view piece) {
  out_.clear();
  if (stopped_) return out_;
  held_ += piece;
  size_t shown = std::string::npos, end = std::string::npos;  // bytes
  for (const std::string& stop : stops_) {
    size_t at = held_.find(stop);
    if (at == std::string::npos || at + stop.size() > end) continue;
    shown = at + stop.size() == end ? std::min(shown, at) : at;
    end = at + stop.size();
  }
  stopped_ = shown != std::string::npos;
  if (!stopped_) {
    // The longest end that begins a stop string waits.
    size_t waits = 0;
    for (const std::string& stop : stops_)
      for (size_t length = std::min(stop.size() - 1, held_.size()); length > waits; --length)
        if (std::string_view(held_).ends_with(std::string_view(stop).substr(0, length))) waits = length;
    shown = held_.size() - waits;
  }
  out_.assign(held_, 0, shown);
  held_.erase(0, stopped_ ? held_.size() : shown);
  return out_;
}

std::string_view StopText::flush() {
  out_ = std::move(held_);
  held_.clear();
  return out_;
}

}  // namespace quern
