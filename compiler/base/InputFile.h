// compiler/base/InputFile.h — how files that a user names are opened: asked what they are before anything is read.
#pragma once

#include "compiler/base/Descriptor.h"
#include "compiler/base/Result.h"

#include <cstdint>
#include <optional>
#include <string>
#include <sys/types.h>

namespace quern {

/// An input, open at its beginning.
struct InputFile {
  Descriptor descriptor;
  int64_t bytes = 0;    ///< as the system says now: 0 for streams and for files of /proc
  bool regular = true;  ///< false: a pipe or terminal that this process was started with
};

/// Opens `path` for reading, without waiting for anybody. It is a regular file, links followed; or one of this process's own
/// descriptors by its name (/dev/stdin, /dev/fd/3), which may be a pipe, a terminal or /dev/null as well.
/// Errors   BadInput, naming the path: missing, no permission, a directory, pipe, socket or device.
Result<InputFile> openInput(const std::string& path);

constexpr int64_t kMostText = int64_t{1} << 30;  ///< bytes of a file that is read whole as text

/// The whole of `path`, opened so. Errors: also BadInput where it has more than `most` bytes, Machine where memory ends.
Result<std::string> readFile(const std::string& path, int64_t most = kMostText);

/// All that is left of an open file or stream; `name` opens the messages. Errors: as readFile.
Result<std::string> readAll(const Descriptor& from, const std::string& name, int64_t expected, int64_t most);

/// What a file of this mode is, where it is no regular file ("is a pipe"); else "".
std::string oddKind(mode_t mode);

/// N of "/dev/fd/N", "/proc/self/fd/N", "/dev/stdin", "/dev/stdout", "/dev/stderr".
std::optional<int> namedDescriptor(const std::string& path);

}  // namespace quern
