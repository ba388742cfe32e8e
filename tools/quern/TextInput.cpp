// tools/quern/TextInput.cpp — see TextInput.h.
#include "tools/quern/TextInput.h"

#include "compiler/base/Files.h"
#include "models/tokenizer/Tokenizer.h"

#include <cerrno>
#include <cstring>
#include <fmt/format.h>
#include <unistd.h>

namespace quern {

Result<std::string> readText(const std::string& file) {
  if (file != "-") return readFile(file);
  std::string text;
  char buffer[1 << 16];
  for (;;) {
    ssize_t got = ::read(STDIN_FILENO, buffer, sizeof buffer);
    if (got == 0) return text;
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return badInput(fmt::format("stdin: {}", std::strerror(errno)));
    text.append(buffer, static_cast<size_t>(got));
    if (text.size() > static_cast<size_t>(Tokenizer::kMaxTextBytes))
      return badInput(fmt::format("stdin: has more than {} bytes, which is what is encoded at once", Tokenizer::kMaxTextBytes));
  }
}

}  // namespace quern
