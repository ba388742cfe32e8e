// tools/maker/Vocabulary.cpp — see Vocabulary.h.
#include "tools/maker/Vocabulary.h"

#include "compiler/base/Check.h"
#include "compiler/base/Text.h"

#include <fmt/format.h>
#include <limits>

namespace quern {

namespace {

constexpr std::string_view kSpace = "\u2581";  // SentencePiece's mark of a word's begin

// The format's numbers of token types.
constexpr int32_t kNormal = 1, kUnknown = 2, kControl = 3, kByte = 6;

class Copier {
public:
  Copier(const Metadata& from, GgufWriter& out) : from_(from), out_(out) {}

  /// False where the writer has no such value.
  Result<bool> copy(const std::string& key, const MetadataValue& value) {
    if (auto* number = std::get_if<uint64_t>(&value))
      return fits(*number <= std::numeric_limits<uint32_t>::max(), [&] { out_.u32(key, static_cast<uint32_t>(*number)); });
    if (auto* number = std::get_if<int64_t>(&value))
      return fits(*number == static_cast<int32_t>(*number), [&] { out_.i32(key, static_cast<int32_t>(*number)); });
    if (auto* number = std::get_if<double>(&value)) return fits(true, [&] { out_.f32(key, static_cast<float>(*number)); });
    if (auto* flag = std::get_if<bool>(&value)) return fits(true, [&] { out_.boolean(key, *flag); });
    if (auto* text = std::get_if<std::string_view>(&value)) return fits(true, [&] { out_.string(key, *text); });
    if (auto* texts = std::get_if<std::vector<std::string_view>>(&value))
      return fits(true, [&] { out_.strings(key, std::vector<std::string>(texts->begin(), texts->end())); });
    if (auto* numbers = std::get_if<MetadataNumbers>(&value)) return copyNumbers(key, *numbers);
    return false;
  }

private:
  template <class Write>
  static bool fits(bool good, const Write& write) {
    if (good) write();
    return good;
  }

  Result<bool> copyNumbers(const std::string& key, const MetadataNumbers& numbers) {
    if (numbers.bytesEach != 4) return false;
    if (numbers.kind == MetadataNumbers::Kind::Float) {
      auto values = from_.floats(key);
      if (!values) return values.error();
      out_.floats(key, *values);
      return true;
    }
    auto values = from_.integers(key);
    if (!values) return values.error();
    out_.integers(key, *values);
    return true;
  }

  const Metadata& from_;
  GgufWriter& out_;
};

/// Number `index` of: ▁, then words of 1, 2, 3 ... letters in order, those of each length first bare, then behind a ▁.
std::string word(int64_t index) {
  if (index == 0) return std::string(kSpace);
  --index;
  int letters = 1;
  int64_t count = 26;
  for (; index >= 2 * count; ++letters, count *= 26) index -= 2 * count;
  std::string out(index >= count ? kSpace : "");
  int64_t rest = index % count;
  for (int i = 0; i < letters; ++i, rest = rest * 26 % count) out += static_cast<char>('a' + rest / (count / 26));
  return out;
}

}  // namespace

Result<int64_t> vocabularySize(const Metadata& from) {
  auto tokens = from.strings("tokenizer.ggml.tokens");
  if (!tokens) return tokens.error();
  if (tokens->empty())
    return badInput(fmt::format("{}: has no 'tokenizer.ggml.tokens'; a GGUF with a vocabulary is needed", escapedShort(from.file())));
  return static_cast<int64_t>(tokens->size());
}

Result<void> copyVocabulary(const Metadata& from, GgufWriter& out) {
  Copier copier(from, out);
  for (const auto& [key, value] : from.values()) {
    if (!key.starts_with("tokenizer.")) continue;
    auto copied = copier.copy(key, value);
    if (!copied) return copied.error();
    if (!*copied)
      return badInput(fmt::format("{}: metadata '{}' is of a kind that is not copied; numbers of 32 bits, texts and arrays of them are",
                                  escapedShort(from.file()), escapedShort(key)));
  }
  return {};
}

void syntheticVocabulary(int64_t count, GgufWriter& out) {
  QUERN_CHECK(count >= 259);
  std::vector<std::string> tokens = {"<unk>", "<s>", "</s>"};
  std::vector<int32_t> types = {kUnknown, kControl, kControl};
  for (int byte = 0; byte < 256; ++byte) tokens.push_back(fmt::format("<0x{:02X}>", byte));
  types.resize(tokens.size(), kByte);
  std::vector<float> scores(tokens.size(), 0.0f);
  for (int64_t i = 0; static_cast<int64_t>(tokens.size()) < count; ++i) {
    tokens.push_back(word(i));
    scores.push_back(static_cast<float>(-i));
  }
  types.resize(tokens.size(), kNormal);
  out.string("tokenizer.ggml.model", "llama");
  out.string("tokenizer.ggml.pre", "default");
  out.strings("tokenizer.ggml.tokens", tokens);
  out.floats("tokenizer.ggml.scores", scores);
  out.integers("tokenizer.ggml.token_type", types);
  out.u32("tokenizer.ggml.bos_token_id", 1);
  out.u32("tokenizer.ggml.eos_token_id", 2);
  out.u32("tokenizer.ggml.unknown_token_id", 0);
  out.boolean("tokenizer.ggml.add_bos_token", true);
  out.boolean("tokenizer.ggml.add_eos_token", false);
}

}  // namespace quern
