// models/files/FolderPath.h — a file's path in a folder as people gave it, with or without a slash at its end.
#pragma once

#include <string>
#include <string_view>

namespace quern {

/// "m//" and "config.json" -> "m/config.json"; "/" stays the root.
inline std::string pathIn(std::string_view folder, std::string_view name) {
  while (folder.size() > 1 && folder.ends_with('/')) folder.remove_suffix(1);
  return std::string(folder) + (folder.ends_with('/') ? "" : "/") + std::string(name);
}

}  // namespace quern
