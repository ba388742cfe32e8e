// tools/quern/cli/TextInput.h — texts that commands are given as a file: `-` is what comes through the pipe.
#pragma once

#include "compiler/base/Result.h"

#include <string>

namespace quern {

/// The bytes of `file`, or of stdin where it is "-". Errors: BadInput as readFile; more of stdin than any tokenizer takes.
Result<std::string> readText(const std::string& file);

}  // namespace quern
