// tests/fuzz/FuzzTokenizerJson.cpp — any bytes as a tokenizer.json, or one of the other forms: an error, or a tokenizer that keeps its
// promises. A first line "form N" says which; the files beside it follow, each behind a line of dashes.
#include "models/tokenizer/HfTokenizer.h"
#include "models/tokenizer/TextStream.h"
#include "models/tokenizer/Tokenizer.h"
#include "models/tokenizer/Utf8.h"

#include <cstdio>
#include <cstdlib>

using namespace quern;

static void require(bool good, const char* what) {
  if (good) return;
  std::fprintf(stderr, "broken promise: %s\n", what);
  std::abort();
}

/// Cuts what is before the next line of dashes off `rest`.
static std::string_view part(std::string_view& rest) {
  size_t end = rest.find("\n---\n");
  std::string_view out = rest.substr(0, end);
  rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 5);
  return out;
}

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* bytes, size_t count) {
  std::string_view rest(reinterpret_cast<const char*>(bytes), count);
  HfTokenizerTexts texts;
  if (rest.starts_with("form ") && rest.size() > 6 && rest[6] == '\n') {
    texts.form = static_cast<HfForm>(rest[5] & 3);
    rest.remove_prefix(7);
  }
  texts.tokenizer = part(rest);
  texts.config = part(rest);
  texts.generation = part(rest);
  texts.special = part(rest);
  texts.model = part(rest);
  texts.merges = part(rest);
  texts.added = part(rest);
  auto data = parseHfTokenizer(texts);
  if (!data) {
    require(data.error().code == ErrorCode::BadInput && data.error().message.size() > 5, "errors have a code and a message");
    return 0;
  }
  auto tokenizer = Tokenizer::make(std::move(*data));
  if (!tokenizer) return 0;
  require(tokenizer->size() > 0, "a tokenizer has tokens");
  for (std::string_view text : {std::string_view("ab ba  hello's \n12345 \xc3\xa9\xff<s> </s>"), texts.tokenizer.substr(0, 300)})
    for (bool special : {false, true}) {
      auto ids = tokenizer->encode(text, {.parseSpecial = special});
      if (!ids) continue;
      TextStream stream(*tokenizer, true);
      std::string streamed;
      for (int32_t id : *ids) {
        require(id >= 0 && id < tokenizer->size(), "ids are within the vocabulary");
        auto more = stream.add(id);
        require(static_cast<bool>(more), "ids of encode are printed");
        streamed += *more;
      }
      streamed += stream.flush();
      require(firstBadUtf8(streamed) == std::string_view::npos, "a stream is UTF-8");
      auto decoded = tokenizer->decode(*ids);
      require(static_cast<bool>(decoded), "ids of encode are decoded");
      if (firstBadUtf8(*decoded) == std::string_view::npos) require(*decoded == streamed, "a stream of UTF-8 is what decode gives");
    }
  return 0;
}
