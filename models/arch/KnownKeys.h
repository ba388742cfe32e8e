// models/arch/KnownKeys.h — keys of a model's description that no architecture reads: those that change nothing, and all others.
#pragma once

#include "models/files/Json.h"
#include "models/files/Metadata.h"

#include <set>
#include <span>
#include <string>
#include <string_view>

namespace quern {

/// What an architecture knows of its description beside what it reads. A name may begin or end with '*', which is any text.
struct KnownKeys {
  const std::set<std::string>& read;           ///< whole names, as a reader asked for them
  std::span<const std::string_view> harmless;  ///< change nothing, whatever their value; those of every decoder are known anyway
  bool ignorable = true;                       ///< --ignore-key can take them away
};

/// Every key `arch`.* is read, harmless, or has a value that means "off": false, 0, nothing, or 1 for a factor.
/// Errors   BadInput naming file, key and value: it could change the result, and nothing here heeds it.
Result<void> checkKeys(const Metadata& metadata, const std::string& arch, const KnownKeys& known);
/// The same for the keys of a config.json, or of an object inside it, whose keys are then called `prefix` and their own name.
Result<void> checkKeys(const std::string& file, const JsonValue& object, const KnownKeys& known, const std::string& prefix = "");

}  // namespace quern
