// tests/fuzz/FuzzFolder.h — a folder for readers that open paths; it goes with the program.
#pragma once

#include "compiler/base/Check.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <unistd.h>

namespace quern {

class FuzzFolder {
public:
  FuzzFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "quern-fuzz-XXXXXX").string();
    QUERN_CHECK_FOR(::mkdtemp(name.data()) != nullptr, name);
    path_ = name;
  }
  ~FuzzFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  FuzzFolder(const FuzzFolder&) = delete;
  FuzzFolder& operator=(const FuzzFolder&) = delete;

  const std::string& path() const { return path_; }
  /// Writes a file, or takes it away where it would be empty. Returns its path.
  std::string put(const std::string& name, std::string_view content) const {
    std::filesystem::path file = std::filesystem::path(path_) / name;
    if (content.empty()) {
      std::error_code ignored;
      std::filesystem::remove(file, ignored);
      return file.string();
    }
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file, std::ios::binary | std::ios::trunc).write(content.data(), static_cast<std::streamsize>(content.size()));
    return file.string();
  }

private:
  std::string path_;
};

}  // namespace quern
