// tools/quern/Json.h — JSON results; keys in the order they are written.
#pragma once

#include <nlohmann/json.hpp>

#include <string>

namespace quern {

using Json = nlohmann::ordered_json;

/// Indented, with a newline at the end. NaN and Inf become null.
std::string jsonText(const Json& value);

}  // namespace quern
