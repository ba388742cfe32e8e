// models/tokenizer/ModelTokenizer.cpp — see ModelTokenizer.h.
#include "models/tokenizer/ModelTokenizer.h"

#include "compiler/base/Text.h"
#include "models/tokenizer/GgufTokenizer.h"
#include "models/tokenizer/HfTokenizer.h"

#include <fmt/format.h>

namespace quern {

Result<Tokenizer> readModelTokenizer(const WeightFiles& files) {
  bool gguf = files.format() == WeightFormat::Gguf;
  if (!gguf && files.tokenizerPath().empty())
    return badInput(fmt::format(
        "{}: has no tokenizer.json, tokenizer.model, vocab.json and merges.txt, or vocab.txt, so text cannot be encoded; ids work",
        escaped(files.path())));
  auto data = gguf ? readGgufTokenizer(files.metadata()) : readHfTokenizer(files.tokenizerPath());
  if (!data) return data.error();
  return Tokenizer::make(std::move(*data));
}

}  // namespace quern
