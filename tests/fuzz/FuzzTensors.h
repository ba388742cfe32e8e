// tests/fuzz/FuzzTensors.h — safetensors files of a fuzzed header.
#pragma once

#include "models/files/Json.h"

#include <algorithm>
#include <string>
#include <string_view>

namespace quern {

/// As many bytes as the header's tensors say, so that sizes are no riddle; at most 64 KiB.
inline size_t dataBytes(std::string_view header) {
  auto json = parseJson({header, "header"});
  const auto* tensors = json ? json->as<JsonObject>() : nullptr;
  int64_t most = 0;
  for (const auto& [name, entry] : tensors == nullptr ? JsonObject() : *tensors) {
    const JsonValue* offsets = entry.find("data_offsets");
    const auto* both = offsets == nullptr ? nullptr : offsets->as<JsonArray>();
    if (both != nullptr && both->size() == 2) most = std::max(most, (*both)[1].integer().value_or(0));
  }
  return static_cast<size_t>(std::min<int64_t>(most, 1 << 16));
}

/// A file of a header and what its tensors hold: `pattern`, again and again, or zeros.
inline std::string safetensors(std::string_view header, std::string_view pattern) {
  uint64_t length = header.size();
  std::string file(reinterpret_cast<const char*>(&length), 8);
  file += header;
  for (size_t i = 0, count = dataBytes(header); i < count; ++i) file += pattern.empty() ? '\0' : pattern[i % pattern.size()];
  return file;
}

}  // namespace quern
