// tests/tokenizer/StreamTest.cpp — ids to text as they come: whole characters only, and no allocation; encoding's limits and
// its cost on real vocabularies.
#include "tests/CountedMalloc.h"
#include "tests/tokenizer/Vocabularies.h"

#include "models/tokenizer/Encoder.h"
#include "models/tokenizer/TextStream.h"
#include "models/tokenizer/Utf8.h"

#include <random>

using namespace quern;

namespace {

/// Byte-level without merges: id = byte, 256 = control, 257 = "Hi".
Tokenizer byteTokenizer() {
  TokenizerData data;
  data.file = "bytes";
  for (int byte = 0; byte < 256; ++byte) data.tokens.add(std::string(1, static_cast<char>(byte)));
  data.tokens.add("<|endoftext|>");
  data.tokens.add("Hi");
  data.types.assign(258, TokenType::Normal);
  data.types[256] = TokenType::Control;
  data.added.push_back({.id = 256, .special = true});
  data.rule = SplitRule::Gpt2;
  return need(Tokenizer::make(std::move(data)));
}

std::string streamed(const Tokenizer& tokenizer, const std::string& bytes) {
  TextStream stream(tokenizer, true);
  std::string out;
  for (char byte : bytes) {
    std::string part(need(stream.add(static_cast<unsigned char>(byte))));
    CHECK(firstBadUtf8(part) == std::string::npos);
    out += part;
  }
  return out + std::string(stream.flush());
}

constexpr const char* kBad = "\xef\xbf\xbd";

}  // namespace

TEST_CASE("a stream gives whole characters; what cannot become one is U+FFFD", "[tokenizer]") {
  Tokenizer tokenizer = byteTokenizer();
  std::string bad = kBad;
  CHECK(streamed(tokenizer, "a\xc3\xa9\xe4\xbd\xa0\xf0\x9f\xa6\x99z") == "a\xc3\xa9\xe4\xbd\xa0\xf0\x9f\xa6\x99z");
  CHECK(streamed(tokenizer, "\xff") == bad);
  CHECK(streamed(tokenizer, "\x80\x80") == bad + bad);
  CHECK(streamed(tokenizer, "\xc0\xaf") == bad + bad);            // an overlong form
  CHECK(streamed(tokenizer, "\xed\xa0\x80") == bad + bad + bad);  // a surrogate
  CHECK(streamed(tokenizer, "\xf4\x90\x80\x80") == bad + bad + bad + bad);
  CHECK(streamed(tokenizer, "\xe4\xbd!") == bad + "!");  // one for the longest beginning of a character
  CHECK(streamed(tokenizer, "\xe4\xbd\xe4\xbd\xa0") == bad + "\xe4\xbd\xa0");
  CHECK(streamed(tokenizer, "\xf0\x9f\xa6") == bad);  // cut at the end
  CHECK(streamed(tokenizer, "a b") == "a b");         // byte-level has no blank of its own

  TextStream stream(tokenizer, true);
  CHECK(need(stream.add(0xc3)).empty());
  CHECK(need(stream.add(256)).empty());  // a control token prints nothing, and what is held stays
  CHECK(need(stream.add(0xa9)) == "\xc3\xa9");
  CHECK(need(stream.add(257)) == "Hi");
  CHECK(stream.flush().empty());
  CHECK(stream.add(258).error().message == "bytes: token 258 is outside the vocabulary of 258");
  CHECK(stream.add(-1).error().message == "bytes: token -1 is outside the vocabulary of 258");
  CHECK(tokenizer.decode(std::vector<int32_t>{0, 999}).error().message == "bytes: token 999 is outside the vocabulary of 258");
  CHECK(tokenizer.piece(300).error().message == "bytes: token 300 is outside the vocabulary of 258");
  CHECK(need(tokenizer.spelling(256)) == "<|endoftext|>");
  CHECK(tokenizer.isEnd(256));
}

TEST_CASE("any bytes there and back, in one go and streamed", "[tokenizer]") {
  Tokenizer tokenizer = byteTokenizer();
  std::mt19937_64 random(7);
  for (int i = 0; i < 2000; ++i) {
    std::string text;
    for (size_t k = random() % 40; k > 0; --k) text += random() % 3 == 0 ? static_cast<char>(random()) : "\xf0\x9f\xa6\x99 a"[random() % 6];
    auto ids = need(tokenizer.encode(text));
    CHECK(need(tokenizer.decode(ids)) == text);
    if (firstBadUtf8(text) == std::string::npos) CHECK(streamed(tokenizer, text) == text);
  }
}

TEST_CASE("a stream allocates nothing", "[tokenizer]") {
  Tokenizer tokenizer = byteTokenizer();
  TextStream stream(tokenizer, true);
  size_t printed = 0;
  REQUIRE(countsMallocs());  // the counter counts
  int64_t count = mallocsOf([&] {
    for (int round = 0; round < 10; ++round) {
      for (int32_t id = 257; id >= 0; --id) printed += stream.add(id)->size();
      printed += stream.flush().size();
    }
  });
  CHECK(count == 0);
  CHECK(printed > 2580);
}

TEST_CASE("the longest pieces stream without an allocation", "[tokenizer]") {
  if (!hasShared(kLlamaVocabulary)) return;
  for (const char* name : {kLlamaVocabulary, kGpt2Vocabulary}) {
    Tokenizer tokenizer = readVocabulary(name);
    TextStream stream(tokenizer, false);
    CHECK(mallocsOf([&] {
            for (int32_t id = 0; id < tokenizer.size(); ++id) (void)stream.add(id);
            (void)stream.flush();
          }) == 0);
  }
}

TEST_CASE("SentencePiece's blank goes at a text's beginning only", "[tokenizer]") {
  if (!hasShared(kLlamaVocabulary)) return;
  Tokenizer tokenizer = readVocabulary(kLlamaVocabulary);
  auto ids = need(tokenizer.encode("Hello world"));
  REQUIRE(ids == std::vector<int32_t>{1, 15043, 3186});
  auto all = [&](bool begins) {
    TextStream stream(tokenizer, begins);
    std::string out;
    for (int32_t id : ids) out += need(stream.add(id));
    return out + std::string(stream.flush());
  };
  CHECK(all(true) == "Hello world");
  CHECK(all(false) == " Hello world");
  CHECK(tokenizer.isEnd(2));
  CHECK(!tokenizer.isEnd(1));
  CHECK(tokenizer.isControl(1));
  CHECK(need(tokenizer.encode("<s></s>", {.addBos = false, .parseSpecial = true})) == std::vector<int32_t>{1, 2});
  for (int32_t id : need(tokenizer.encode("<s> a</s><unk><0x41>", {.addBos = false}))) CHECK(!tokenizer.isControl(id));  // text stays text
  CHECK(need(tokenizer.decode(need(tokenizer.encode("a<0x41>\xff</s>")))) == "a<0x41>\xff</s>");
}

TEST_CASE("encoding takes a number of steps in proportion to the text", "[tokenizer]") {
  if (!hasShared(kLlamaVocabulary)) return;
  for (const char* name : {kLlamaVocabulary, kGpt2Vocabulary}) {
    WeightFiles files = need(WeightFiles::open(sharedFile(name)));
    auto tables = need(TokenizerTables::make(need(readGgufTokenizer(files.metadata()))));
    for (const std::string& unit : {std::string("a"), std::string(" "), std::string("ab"), std::string("\xff"), std::string("hello world "),
                                    std::string("\xe4\xbd\xa0")}) {
      std::string text;
      while (text.size() < 1 << 20) text += unit;
      Encoder encoder(*tables, false);
      auto good = encoder.add(text);
      REQUIRE(good);
      INFO(name << " " << escaped(unit));
      CHECK(encoder.steps() <= 6 * text.size());
    }
  }
}

TEST_CASE("texts beyond the limit, and characters without a token, are errors", "[tokenizer]") {
  Tokenizer tokenizer = byteTokenizer();
  std::string large(static_cast<size_t>(Tokenizer::kMaxTextBytes) + 1, 'a');
  CHECK(tokenizer.encode(large).error().message == "the text has 67108865 bytes, at most 67108864 are encoded at once");
  TokenizerData data;
  data.file = "few\n";
  data.kind = TokenizerKind::Scores;
  data.tokens.add("a");
  data.scores = {0};
  data.types = {TokenType::Normal};
  Tokenizer few = need(Tokenizer::make(data));
  CHECK(need(few.encode("aa")) == std::vector<int32_t>{0, 0});
  CHECK(few.encode("a\xe4\xbd\xa0").error().message ==
        "few\\x0a: no token stands for character U+4F60 of the text, and none for unknown ones");
  CHECK(few.encode("a\xff").error().message == "few\\x0a: no token stands for byte 0xff of the text, and none for unknown ones");
}

TEST_CASE("text never becomes a control token, whatever merges and pieces say", "[tokenizer]") {
  TokenizerData data;
  data.file = "control";
  for (const char* text : {"a", "b", "ab"}) data.tokens.add(text);
  data.types = {TokenType::Normal, TokenType::Normal, TokenType::Control};
  data.merges = {{0, 1, 2}};
  data.added = {{.id = 2, .special = true}};
  for (bool ignoreMerges : {false, true}) {
    data.ignoreMerges = ignoreMerges;
    Tokenizer tokenizer = need(Tokenizer::make(data));
    CHECK(need(tokenizer.encode("abab")) == std::vector<int32_t>{0, 1, 0, 1});
    CHECK(need(tokenizer.encode("ab")) == std::vector<int32_t>{0, 1});
    CHECK(need(tokenizer.encode("abb", {.parseSpecial = true})) == std::vector<int32_t>{2, 1});
  }
  data.kind = TokenizerKind::Scores;
  data.scores = {0, 0, 9};
  CHECK(need(need(Tokenizer::make(data)).encode("ab")) == std::vector<int32_t>{0, 1});
}
