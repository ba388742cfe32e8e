// models/tokenizer/Charsmap.cpp — see Charsmap.h.
#include "models/tokenizer/Charsmap.h"

#include <cstring>
#include <fmt/format.h>

namespace quern {

Result<Charsmap> Charsmap::make(std::string_view bytes) {
  Charsmap map;
  if (bytes.empty()) return map;
  uint32_t size = 0;
  if (bytes.size() < sizeof size) return badInput(fmt::format("has {} bytes, at least 4 are needed", bytes.size()));
  std::memcpy(&size, bytes.data(), sizeof size);
  bytes.remove_prefix(sizeof size);
  if (size > bytes.size() || size % 4 != 0)
    return badInput(fmt::format("has a tree of {} bytes in {}, a multiple of 4 that fits is needed", size, bytes.size()));
  map.tree_.resize(size / 4);
  std::memcpy(map.tree_.data(), bytes.data(), size);
  map.texts_ = bytes.substr(size);
  if (!map.texts_.empty() && map.texts_.back() != '\0') return badInput("has a last text that no 0 ends");
  return map;
}

/// A unit of the tree: bits 0 to 7 its byte; 8: a text ends here, its place is the value of the unit it leads to; 9: the offset is in
/// steps of 256; 10 to 30 the offset. A unit with bit 31 is a value.
Charsmap::Match Charsmap::find(std::string_view text, bool first) const {
  auto offset = [](uint32_t unit) { return (unit >> 10) << ((unit & 1u << 9) >> 6); };
  Match match;
  if (tree_.empty()) return match;
  uint32_t place = offset(tree_[0]);
  for (size_t i = 0; i < text.size(); ++i) {
    auto byte = static_cast<unsigned char>(text[i]);
    place ^= byte;
    if (byte == 0 || place >= tree_.size() || (tree_[place] & (1u << 31 | 0xff)) != byte) break;
    uint32_t unit = tree_[place];
    place ^= offset(unit);
    if (place >= tree_.size()) break;
    uint32_t value = tree_[place] & ~(1u << 31);
    if ((unit >> 8 & 1) == 0 || value >= texts_.size()) continue;
    match = {i + 1, std::string_view(texts_.c_str() + value)};
    if (first) break;
  }
  return match;
}

}  // namespace quern
