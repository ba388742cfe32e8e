// tests/tokenizer/HfTest.cpp — tokenizer.json: each style by hand, added tokens, the files beside it, and both real
// vocabularies written as one.
#include "tests/tokenizer/HfText.h"
#include "tests/tokenizer/Vocabularies.h"

#include "models/tokenizer/ByteAlphabet.h"
#include "models/tokenizer/ModelTokenizer.h"

#include <fstream>

using namespace quern;

namespace {

using Ids = std::vector<int32_t>;

Tokenizer tokenizerOf(const std::string& text, const std::string& config = "", const std::string& generation = "") {
  return need(Tokenizer::make(need(parseHfTokenizer({.tokenizer = text, .config = config, .generation = generation}))));
}

Ids encoded(const Tokenizer& tokenizer, const std::string& text, EncodeOptions options = {.addBos = false}) {
  return need(tokenizer.encode(text, options));
}

/// h e l o Ġ w r d he ll hello Ġw Ġwo
HfText small() {
  return {.tokens = {"h", "e", "l", "o", "Ġ", "w", "r", "d", "he", "ll", "hello", "Ġw", "Ġwo", "hell"},
          .merges = {R"("h e")", R"("l l")", R"("he ll")", R"("hell o")", R"("Ġ w")", R"("Ġw o")"}};
}

/// ▁ a b c <unk> <s> </s> <0xE4> <0xBD> <0xA0> ▁a ab ▁ab bc ▁▁
HfText llama2() {
  return llama2Style({"<unk>", "<s>", "</s>", "<0xE4>", "<0xBD>", "<0xA0>", "▁", "a", "b", "c", "▁a", "ab", "▁ab", "bc", "▁▁"},
                     {R"("▁ ▁")", R"("▁ a")", R"("▁a b")", R"("a b")", R"("b c")"});
}

}  // namespace

TEST_CASE("tokenizer.json: GPT-2", "[tokenizer]") {
  Tokenizer tokenizer = tokenizerOf(small().text());
  CHECK(encoded(tokenizer, "hello world") == Ids{10, 12, 6, 2, 7});
  CHECK(encoded(tokenizer, "hello", {.addBos = true}) == Ids{10});  // nothing says begin-of-text
  CHECK(need(tokenizer.decode(Ids{10, 12, 6, 2, 7})) == "hello world");
  CHECK(tokenizer.size() == 14);
  CHECK(tokenizer.encode("hex").error().message == "tokenizer.json: no token stands for byte 0x78 of the text, and none for unknown ones");
  HfText pairs = small();
  pairs.merges = {R"(["h", "e"])", R"(["l", "l"])", R"(["he", "ll"])", R"(["hell", "o"])", R"(["Ġ", "w"])", R"(["Ġw", "o"])"};
  CHECK(encoded(tokenizerOf(pairs.text()), "hello world") == Ids{10, 12, 6, 2, 7});
  HfText prefixed = small();
  prefixed.preTokenizer = R"({"type": "ByteLevel", "add_prefix_space": true})";
  CHECK(encoded(tokenizerOf(prefixed.text()), "wo") == Ids{12});
  CHECK(encoded(tokenizerOf(prefixed.text()), " wo") == Ids{12});
}

TEST_CASE("tokenizer.json: Llama 3 takes whole pieces that are tokens, and puts begin-of-text first", "[tokenizer]") {
  HfText text = small();
  text.tokens.insert(text.tokens.end(), {"wo", "1", "2", "12", "3", "4"});  // 14: no merge makes it
  text.added = addedToken(20, "<|begin_of_text|>") + "," + addedToken(21, "<|eot_id|>");
  text.preTokenizer = splitStage(kLlama3Regex);
  text.postProcessor =
      R"({"type": "Sequence", "processors": [{"type": "ByteLevel", "trim_offsets": false}, )" + bosTemplate("<|begin_of_text|>", 20) + "]}";
  text.more = R"(, "ignore_merges": true)";
  Tokenizer tokenizer = tokenizerOf(text.text(), R"({"bos_token": "<|begin_of_text|>", "eos_token": {"content": "<|eot_id|>"}})");
  CHECK(encoded(tokenizer, "wo") == Ids{14});
  CHECK(encoded(tokenizer, "wor") == Ids{5, 3, 6});
  CHECK(encoded(tokenizer, "hello", {}) == Ids{20, 10});
  CHECK(encoded(tokenizer, "1234") == Ids{15, 16, 18, 19});  // 123, which is no token and has no merges, then 4
  CHECK(encoded(tokenizer, "12") == Ids{17});
  CHECK(tokenizer.isEnd(21));
  CHECK(!tokenizer.isEnd(20));
  CHECK(tokenizer.bos() == 20);
  CHECK(need(tokenizer.decode(Ids{20, 10, 21})) == "hello");
  CHECK(encoded(tokenizer, "<|eot_id|>hello", {.addBos = false, .parseSpecial = true}) == Ids{21, 10});
  CHECK(!tokenizer.encode("<|eot_id|>", {.addBos = false}));  // as text it has characters that no token stands for
}

TEST_CASE("tokenizer.json: Qwen 2 composes first, and cuts every digit", "[tokenizer]") {
  HfText text = small();
  text.tokens.insert(text.tokens.end(), {"Ã", "©", "Ã©", "1", "2", "12"});
  text.merges.push_back(R"("Ã ©")");
  text.merges.push_back(R"("1 2")");
  text.normalizer = R"({"type": "NFC"})";
  text.preTokenizer = splitStage(kQwen2Regex);
  text.added = addedToken(20, "<|endoftext|>") + "," + addedToken(21, "<|im_end|>");
  Tokenizer tokenizer = tokenizerOf(text.text(), R"({"add_bos_token": false, "bos_token": null, "eos_token": "<|im_end|>"})",
                                    R"({"eos_token_id": [21, 20], "bos_token_id": 20})");
  CHECK(encoded(tokenizer, "e\xcc\x81") == Ids{16});
  CHECK(encoded(tokenizer, "\xc3\xa9") == Ids{16});
  CHECK(encoded(tokenizer, "12") == Ids{17, 18});
  CHECK(encoded(tokenizer, "hello", {}) == Ids{10});
  CHECK(tokenizer.isEnd(20));
  CHECK(tokenizer.isEnd(21));
}

TEST_CASE("tokenizer.json: Llama 2, bytes for what has no token", "[tokenizer]") {
  Tokenizer tokenizer = tokenizerOf(llama2().text(), R"({"add_bos_token": true, "eos_token": "</s>"})");
  CHECK(encoded(tokenizer, "ab bc", {}) == Ids{1, 12, 6, 13});
  CHECK(encoded(tokenizer, " ab") == Ids{14, 11});  // the blank of the text and the one before it
  CHECK(encoded(tokenizer,
                "a\xe4\xbd\xa0"
                "b") == Ids{10, 3, 4, 5, 8});
  CHECK(encoded(tokenizer, "axyb") == Ids{10, 0, 8});  // two unknown ones are one
  CHECK(encoded(tokenizer, "") == Ids{});
  CHECK(encoded(tokenizer, "a</s>b", {.addBos = false, .parseSpecial = true}) == Ids{10, 2, 6, 8});  // each part gets its blank
  CHECK(need(tokenizer.decode(Ids{1, 12, 6, 13})) == "ab bc");
  CHECK(need(tokenizer.decode(Ids{3, 4, 5})) == "\xe4\xbd\xa0");
  CHECK(need(tokenizer.decode(Ids{10, 2, 6, 8})) == "a b");
  CHECK(tokenizer.isEnd(2));
  HfText alone = llama2();
  alone.more = R"(, "unk_token": "<unk>", "byte_fallback": true)";
  CHECK(encoded(tokenizerOf(alone.text()), "axyb") == Ids{10, 0, 0, 8});
}

TEST_CASE("tokenizer.json: Metaspace", "[tokenizer]") {
  HfText text = llama2();
  text.normalizer = "null";
  auto with = [&](const std::string& flags) {
    text.preTokenizer = R"({"type": "Metaspace", "replacement": "▁")" + flags + "}";
    return tokenizerOf(text.text());
  };
  Tokenizer whole = with(R"(, "prepend_scheme": "first", "split": false)");
  CHECK(encoded(whole, "ab") == Ids{12});
  CHECK(encoded(whole, " ab") == Ids{12});  // there already
  CHECK(encoded(whole, "  ab") == Ids{14, 11});
  CHECK(encoded(whole, "ab</s>ab", {.addBos = false, .parseSpecial = true}) == Ids{12, 2, 11});  // the first part only
  Tokenizer words = with("");
  CHECK(encoded(words, "  ab") == Ids{6, 12});  // merges do not cross the beginning of a word
  CHECK(encoded(words, "ab</s>ab", {.addBos = false, .parseSpecial = true}) == Ids{12, 2, 12});
  CHECK(encoded(with(R"(, "add_prefix_space": false)"), "ab") == Ids{11});
  CHECK(encoded(with(R"(, "prepend_scheme": "never")"), "ab") == Ids{11});
}

TEST_CASE("added tokens: longest, stripped, whole words, normalised, in text or not", "[tokenizer]") {
  HfText text = small();
  auto flags = [](const std::string& more) { return R"("special": false, )" + more; };
  text.added = addedToken(14, "<a>") + "," + addedToken(15, "<a><b>") + "," + addedToken(16, "[L]", flags(R"("lstrip": true)")) + "," +
               addedToken(17, "[R]", flags(R"("rstrip": true)")) + "," + addedToken(8, "he", flags(R"("single_word": true)")) + "," +
               addedToken(19, "\xc3\xa9", flags(R"("normalized": true)"));
  text.normalizer = R"({"type": "NFC"})";
  Tokenizer tokenizer = tokenizerOf(text.text());
  EncodeOptions special = {.addBos = false, .parseSpecial = true};
  CHECK(encoded(tokenizer, "<a><a><b>o", special) == Ids{14, 15, 3});
  CHECK(encoded(tokenizer, "o  [L]  o") == Ids{3, 16, 4, 4, 3});
  CHECK(encoded(tokenizer, "o [R] \n o") == Ids{3, 4, 17, 3});
  CHECK(encoded(tokenizer, "o [R] [L]o") == Ids{3, 4, 17, 16, 3});
  CHECK(encoded(tokenizer, "he") == Ids{8});
  CHECK(encoded(tokenizer, "hello") == Ids{10});  // inside a word it is none
  CHECK(encoded(tokenizer, "e\xcc\x81o") == Ids{19, 3});
  CHECK(!tokenizer.encode("<a>"));
  CHECK(need(tokenizer.decode(Ids{14, 16, 3})) == "[L]o");
}

TEST_CASE("the GPT-2 and Llama vocabularies as tokenizer.json give the 46 vectors", "[tokenizer]") {
  for (const char* name : {kGpt2Vocabulary, kLlamaVocabulary}) {
    if (!hasShared(name)) continue;
    WeightFiles files = need(WeightFiles::open(sharedFile(name)));
    HfText text;
    if (std::string(name) == kGpt2Vocabulary) {
      auto tokens = need(files.metadata().strings("tokenizer.ggml.tokens"));
      text.tokens.assign(tokens.begin(), tokens.end());
      auto merges = need(files.metadata().strings("tokenizer.ggml.merges"));
      for (std::string_view merge : merges) text.merges.push_back(jsonQuoted(merge));
      text.added = addedToken(50256, "<|endoftext|>");
    } else {
      text = llama2Style(files.metadata());
    }
    std::string json = text.text();
    Tokenizer tokenizer = tokenizerOf(json), original = readVocabulary(name);
    std::vector<Vector> vectors = readVectors(name);
    REQUIRE(vectors.size() == 46);
    for (const Vector& vector : vectors) {
      INFO(name << ": " << escaped(vector.text));
      CHECK(encoded(tokenizer, vector.text) == vector.ids);
      CHECK(encoded(tokenizer, vector.text, {}) == encoded(original, vector.text, {}));
      CHECK(need(tokenizer.decode(vector.ids)) == vector.text);
    }
  }
}

TEST_CASE("a folder's three files are read from disk", "[tokenizer]") {
  std::string folder = "/tmp/quern-test-XXXXXX";
  REQUIRE(::mkdtemp(folder.data()) != nullptr);
  auto write = [&](const std::string& name, const std::string& text) { std::ofstream(folder + "/" + name) << text; };
  write("tokenizer.json", small().text());
  Tokenizer alone = need(Tokenizer::make(need(readHfTokenizer(folder + "/tokenizer.json"))));
  CHECK(!alone.isEnd(3));
  write("tokenizer_config.json", R"({"eos_token": "o"})");
  write("generation_config.json", R"({"eos_token_id": 5})");
  Tokenizer all = need(Tokenizer::make(need(readHfTokenizer(folder + "/tokenizer.json"))));
  CHECK(all.isEnd(3));
  CHECK(all.isEnd(5));
  write("generation_config.json", R"({"eos_token_id": 50})");
  CHECK(readHfTokenizer(folder + "/tokenizer.json").error().message ==
        folder + "/generation_config.json: 'eos_token_id' is 50, 0 to 13 are legal");
  std::filesystem::remove_all(folder);
}

TEST_CASE("begin-of-text that the tokenizer's class adds", "[tokenizer]") {
  HfText text = small();
  text.added = addedToken(20, "<s>");
  auto first = [&](const std::string& config) { return encoded(tokenizerOf(text.text(), config), "he", {}); };
  CHECK(first(R"({"bos_token": "<s>", "tokenizer_class": "LlamaTokenizerFast"})") == Ids{20, 8});
  CHECK(first(R"({"bos_token": "<s>", "tokenizer_class": "LlamaTokenizer", "add_bos_token": false})") == Ids{8});
  CHECK(first(R"({"bos_token": "<s>", "tokenizer_class": "PreTrainedTokenizerFast"})") == Ids{8});
  CHECK(first(R"({"tokenizer_class": "LlamaTokenizer"})") == Ids{8});
}
