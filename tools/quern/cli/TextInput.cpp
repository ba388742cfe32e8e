// tools/quern/cli/TextInput.cpp — see TextInput.h.
#include "tools/quern/cli/TextInput.h"

#include "compiler/base/InputFile.h"
#include "models/tokenizer/Tokenizer.h"

namespace quern {

Result<std::string> readText(const std::string& file) { return readFile(file == "-" ? "/dev/stdin" : file, Tokenizer::kMaxTextBytes); }

}  // namespace quern
