// compiler/base/TrustedFolder.h — where code, and what decides which code runs, is read from and written to: files that nobody but
// this user and root can have written. Everything is judged on an opened descriptor, and read through that same descriptor, so a name
// that is swapped meanwhile changes nothing.
#pragma once

#include "compiler/base/Descriptor.h"
#include "compiler/base/Result.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <sys/stat.h>
#include <vector>

namespace quern {

/// Why what `info` describes is not trusted, and what would mend it; "" where it is. A file: regular, one name, owner this user or
/// root, no write for group or others, no set-id bits. A folder: a directory of such an owner, no write for group or others.
std::string distrust(const struct stat& info, bool folder);

/// An open folder that was found to be trusted. Links are followed nowhere below its parent.
class TrustedFolder {
public:
  /// nullopt: it is not there. Errors: BadInput, "PATH: why it is not trusted".
  static Result<std::optional<TrustedFolder>> open(const std::string& path);
  Result<std::optional<TrustedFolder>> folder(const std::string& name) const;

  /// As open, but made (0700, whatever the umask) where it is not there. Errors: Machine.
  static Result<TrustedFolder> make(const std::string& path);
  Result<TrustedFolder> makeFolder(const std::string& name) const;

  /// The whole file `name`; nullopt: it is not there. Errors: BadInput, as above, or where it has more than `most` bytes.
  Result<std::optional<std::string>> read(const std::string& name, int64_t most) const;
  /// The same, open. `bytes` is its size.
  Result<std::optional<Descriptor>> openFile(const std::string& name, int64_t& bytes) const;

  /// Puts a whole file (0600) under `name`, over whatever lies there: written aside, synced, renamed, the folder synced.
  /// Errors: Machine, with nothing left behind.
  Result<void> replace(const std::string& name, std::string_view bytes) const;
  /// Adds `line` and a newline on a line of its own, synced; an unfinished line before it is ended. Nothing is added where that fails.
  /// Errors: Machine, also where the file is not trusted.
  Result<void> append(const std::string& name, std::string_view line) const;
  /// Removes file `name` unless somebody holds its lock, as replace() does while it writes: what a killed writer left behind.
  void removeAbandoned(const std::string& name) const;
  /// Is this what replace() calls a file that is not finished?
  static bool isTemporary(std::string_view name);

  /// Sorted, without . and ..; empty where it cannot be listed.
  std::vector<std::string> names() const;
  const std::string& path() const { return path_; }
  const Descriptor& descriptor() const { return descriptor_; }

private:
  TrustedFolder(std::string path, Descriptor descriptor) : path_(std::move(path)), descriptor_(std::move(descriptor)) {}
  static Result<std::optional<TrustedFolder>> openAt(int parent, const std::string& name, std::string path);

  std::string path_;
  Descriptor descriptor_;
};

}  // namespace quern
