// tests/tokenizer/BadTokenizerTest.cpp — wrong tokenizers, each with its whole message.
#include "models/tokenizer/GgufSplits.h"
#include "tests/tokenizer/HfText.h"
#include "tests/tokenizer/Vocabularies.h"

#include "compiler/base/Text.h"

#include <functional>
#include <limits>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace quern;

namespace {

/// The values of a small GGUF tokenizer; a test changes one.
struct Gguf {
  std::string model = "gpt2", pre = "gpt-2";
  std::vector<std::string> tokens = {"a", "b", "ab", "<|endoftext|>"}, merges = {"a b"};
  std::vector<int32_t> types = {1, 1, 1, 3};
  std::vector<float> scores = {0, 0, 0, 0};
  std::map<std::string, MetadataValue> others;
  std::string name;  ///< general.name
  std::vector<std::string> without;

  Result<TokenizerData> read() const {
    Metadata metadata("m.gguf");
    auto views = [](const std::vector<std::string>& all) { return std::vector<std::string_view>(all.begin(), all.end()); };
    auto add = [&](const std::string& key, MetadataValue value) {
      bool left = std::find(without.begin(), without.end(), key) == without.end();
      if (left && others.count(key) == 0) metadata.add("tokenizer.ggml." + key, std::move(value));
    };
    add("model", std::string_view(model));
    add("pre", std::string_view(pre));
    add("tokens", views(tokens));
    add("merges", views(merges));
    add("token_type", MetadataNumbers{MetadataNumbers::Kind::Signed, 4, {reinterpret_cast<const char*>(types.data()), types.size() * 4}});
    add("scores", MetadataNumbers{MetadataNumbers::Kind::Float, 4, {reinterpret_cast<const char*>(scores.data()), scores.size() * 4}});
    for (const auto& [key, value] : others) metadata.add("tokenizer.ggml." + key, value);
    if (!name.empty()) metadata.add("general.name", std::string_view(name));
    return readGgufTokenizer(metadata);
  }
};

std::string messageOf(Result<TokenizerData> data) {
  if (!data) return (data.error().code == ErrorCode::BadInput ? "" : "other code: ") + data.error().message;
  auto tokenizer = Tokenizer::make(std::move(*data));
  return tokenizer ? "fine" : tokenizer.error().message;
}

struct BadGguf {
  std::function<void(Gguf&)> change;
  std::string message;
};

struct BadHf {
  std::function<void(HfText&)> change;
  std::string message;
};

HfText smallHf() { return {.tokens = {"a", "b", "ab"}, .merges = {R"("a b")"}}; }

const std::string kNormalizers =
    "NFC, NFD, NFKC, NFKD, Lowercase, StripAccents, Strip, Prepend, Replace, Nmt, Precompiled, ByteLevel, BertNormalizer, Sequence";
std::string charsmapStage(const std::string& base64) { return R"({"type": "Precompiled", "precompiled_charsmap": ")" + base64 + R"("})"; }
std::string twice(const std::string& stage) { return R"({"type": "Sequence", "pretokenizers": [)" + stage + ", " + stage + "]}"; }

const std::string kPreNames = join(ggufSplitNames(), ", ");

}  // namespace

TEST_CASE("wrong tokenizers in GGUF", "[tokenizer]") {
  auto key = [](const std::string& name) { return "m.gguf: metadata 'tokenizer.ggml." + name + "' "; };
  const BadGguf cases[] = {
      {[](Gguf&) {}, "fine"},
      {[](Gguf& g) { g.without = {"model"}; }, key("model") + "is missing: the file has no tokenizer"},
      {[](Gguf& g) { g.model = "rwkv\x1b"; }, key("model") + "is 'rwkv\\x1b'; supported: llama, gpt2, gemma4, bert, t5"},
      {[](Gguf& g) { g.others["model"] = uint64_t{3}; }, key("model") + "is an integer, a string is needed"},
      {[](Gguf& g) { g.pre = "plamo"; }, key("pre") + "is 'plamo'; supported: " + kPreNames},
      {[](Gguf& g) { g.pre = "lama3"; }, key("pre") + "is 'lama3', did you mean 'llama3'?; supported: " + kPreNames},
      {[](Gguf& g) { g.without = {"tokens"}; }, key("tokens") + "is missing"},
      {[](Gguf& g) { g.tokens.clear(); }, key("tokens") + "is empty"},
      {[](Gguf& g) { g.others["tokens"] = true; }, key("tokens") + "is a bool, an array of strings is needed"},
      {[](Gguf& g) { g.tokens[1] = "a"; }, key("tokens") + "has 'a' at 0 and at 1, tokens differ"},
      {[](Gguf& g) { g.tokens[2] = std::string(4097, 'x'); }, key("tokens") + "has 4097 bytes at 2, at most 4096 are read"},
      {[](Gguf& g) { g.tokens.assign(1048577, ""); }, key("tokens") + "has 1048577 tokens, at most 1048576 are read"},
      {[](Gguf& g) { g.types.pop_back(); }, key("token_type") + "has 3 values, 4 are needed, one per token"},
      {[](Gguf& g) { g.types[1] = 9; }, key("token_type") + "has 9 at 1, 0 to 6 are legal"},
      {[](Gguf& g) { g.others["token_type"] = std::string_view("x"); }, key("token_type") + "is a string, an array of integers is needed"},
      {[](Gguf& g) { g.without = {"merges"}; }, key("merges") + "is missing, tokenizer.ggml.model gpt2 needs it"},
      {[](Gguf& g) { g.merges = {"a b", "ab"}; },
       "m.gguf: metadata 'tokenizer.ggml.merges': merge 1 is 'ab', two tokens with a blank between are needed"},
      {[](Gguf& g) { g.merges = {"a b", "b a", "a x\xff"}; },
       "m.gguf: metadata 'tokenizer.ggml.merges': 2 of 3 merges name tokens that the vocabulary lacks, the first: merge 1 'b a' needs "
       "'ba'"},
      {[](Gguf& g) { g.merges = {"x\xff a"}; },
       "m.gguf: metadata 'tokenizer.ggml.merges': 1 of 1 merges name tokens that the vocabulary lacks, the first: merge 0 'x\\xff a' needs "
       "'x\\xff'"},
      {[](Gguf& g) { g.model = "llama", g.scores.push_back(0); }, key("scores") + "has 5 values, 4 are needed, one per token"},
      {[](Gguf& g) { g.model = "llama", g.scores[2] = std::numeric_limits<float>::quiet_NaN(); },
       "m.gguf: the score of token 2 is NaN, a number is needed"},
      {[](Gguf& g) { g.model = "llama", g.others["scores"] = uint64_t{1}; }, key("scores") + "is an integer, an array of floats is needed"},
      {[](Gguf& g) { g.model = "llama", g.types[1] = 6; }, "m.gguf: token 1 'b' is a byte token, <0x00> to <0xFF> are legal"},
      {[](Gguf& g) { g.others["bos_token_id"] = uint64_t{4}; }, key("bos_token_id") + "is 4, 0 to 3 are legal"},
      {[](Gguf& g) { g.others["eos_token_id"] = int64_t{-1}; }, key("eos_token_id") + "is -1, 0 to 3 are legal"},
      {[](Gguf& g) { g.others["eot_token_id"] = uint64_t{1} << 63; }, key("eot_token_id") + "is 9223372036854775808, 0 to 3 are legal"},
      {[](Gguf& g) { g.others["unknown_token_id"] = 0.5; }, key("unknown_token_id") + "is a float, an integer is needed"},
      {[](Gguf& g) { g.others["add_bos_token"] = uint64_t{1}; }, key("add_bos_token") + "is an integer, a bool is needed"},
      {[](Gguf& g) { g.others["add_bos_token"] = true; }, "m.gguf: begin-of-text is to be added, but no token is it"},
      {[](Gguf& g) { g.others["add_eos_token"] = true; }, "m.gguf: end-of-text is to be added, but no token is it"},
  };
  for (const BadGguf& one : cases) {
    Gguf gguf;
    one.change(gguf);
    CHECK(messageOf(gguf.read()) == one.message);
  }
}

TEST_CASE("GGUF defaults for absent keys", "[tokenizer]") {
  Gguf gguf;
  gguf.model = "llama";
  gguf.tokens = {"<unk>",
                 "<s>",
                 "</s>",
                 "\xe2\x96\x81"
                 "a",
                 "a",
                 "\xe2\x96\x81",
                 "<0x0A>"};
  gguf.scores = {0, 0, 0, 1, 0, 0, 0};
  gguf.without = {"token_type", "pre", "merges"};
  TokenizerData data = need(gguf.read());
  CHECK((data.bos == 1 && data.eos == 2 && data.unknown == 0 && data.addBos && !data.addEos && data.spacePrefix == SpacePrefix::EachPart));
  CHECK(data.types[6] == TokenType::Byte);  // by its name, where no types say so
  Tokenizer tokenizer = need(Tokenizer::make(data));
  CHECK(need(tokenizer.encode("a\n")) == std::vector<int32_t>{1, 3, 6});
  Gguf bytes;
  bytes.without = {"pre"};
  TokenizerData plain = need(bytes.read());
  CHECK((plain.bos == -1 && plain.eos == -1 && !plain.addBos && plain.rule == SplitRule::GgufDefault && !plain.ignoreMerges));
  bytes.without = {};
  bytes.types[3] = 4;  // an end of text that the file calls user-defined is a control token all the same
  Tokenizer ends = need(Tokenizer::make(need(bytes.read())));
  CHECK((ends.isEnd(3) && ends.isControl(3) && !ends.encode("<|endoftext|>")));
  bytes.pre = "llama-bpe";
  bytes.others["bos_token_id"] = uint64_t{3};
  TokenizerData llama3 = need(bytes.read());
  CHECK((llama3.addBos && llama3.ignoreMerges && llama3.rule == SplitRule::Llama3));
}

TEST_CASE("wrong tokenizer.json", "[tokenizer]") {
  const std::string file = "tokenizer.json: ";
  const BadHf cases[] = {
      {[](HfText&) {}, "fine"},
      {[](HfText& t) { t.tokens.clear(), t.merges.clear(); }, file + "'model.vocab' has no tokens"},
      {[](HfText& t) { t.merges = {R"("a b c")"}; },
       file + "'model.merges': 1 of 1 merges name tokens that the vocabulary lacks, the first: merge 0 'a b c' needs 'b c'"},
      {[](HfText& t) { t.merges = {R"("a")"}; }, file + "'model.merges': merge 0 is 'a', two tokens with a blank between are needed"},
      {[](HfText& t) { t.merges = {R"(["a"])"}; }, file + "'model.merges.0' is another array, a string or two strings are needed"},
      {[](HfText& t) { t.merges = {R"(["a", 1])"}; }, file + "'model.merges.0' is another array, a string or two strings are needed"},
      {[](HfText& t) { t.merges = {R"("a b")", "7"}; }, file + "'model.merges.1' is an integer, a string or two strings are needed"},
      {[](HfText& t) { t.merges = {R"(["a", ""])"}; }, file + "'model.merges.0' has a half of 0 bytes, 1 to 4096 are legal"},
      {[](HfText& t) { t.more = R"(, "unk_token": "<unk>")"; }, file + "'model.unk_token' is '<unk>', which the vocabulary lacks"},
      {[](HfText& t) { t.more = R"(, "unk_token": 3)"; }, "tokenizer.json: model: 'unk_token' is an integer, a string is needed"},
      {[](HfText& t) { t.more = R"(, "byte_fallback": "yes")"; },
       "tokenizer.json: model: 'byte_fallback' is a string, true or false is needed"},
      {[](HfText& t) { t.more = R"(, "end_of_word_suffix": 7)"; },
       "tokenizer.json: model: 'end_of_word_suffix' is an integer, a string is needed"},
      {[](HfText& t) { t.more = R"(, "continuing_subword_prefix": ")" + std::string(4097, '#') + '"'; },
       file + "'model.continuing_subword_prefix' has 4097 bytes, at most 4096 are read"},
      {[](HfText& t) { t.normalizer = R"({"type": "Casefold"})"; },
       file + "'normalizer' is of type 'Casefold'; supported: " + kNormalizers},
      {[](HfText& t) { t.normalizer = R"({"type": "Sequence", "normalizers": [{"type": "NFC"}, {"type": "Trim"}]})"; },
       file + "'normalizer.normalizers.1' is of type 'Trim'; supported: " + kNormalizers},
      {[](HfText& t) { t.normalizer = R"({"type": "Strip", "strip_left": 1})"; },
       file + "'strip_left' is an integer, true or false is needed"},
      {[](HfText& t) { t.normalizer = R"({"type": "Replace", "pattern": {"Regex": " +"}})"; },
       file + "'normalizer.content' is missing, a string is needed"},
      {[](HfText& t) { t.normalizer = R"({"type": "Replace", "pattern": {"Regex": "(a"}, "content": ""})"; },
       file + "the pattern '(a' is wrong at byte 2: missing closing parenthesis"},
      {[](HfText& t) { t.normalizer = R"({"type": "Prepend"})"; }, file + "'normalizer.prepend' is missing, a string is needed"},
      {[](HfText& t) { t.normalizer = charsmapStage("AA*A"); }, file + "'normalizer.precompiled_charsmap' is no base64"},
      {[](HfText& t) { t.normalizer = charsmapStage("AAA="); }, file + "the precompiled charsmap has 2 bytes, at least 4 are needed"},
      {[](HfText& t) { t.normalizer = charsmapStage("CAAAAAAA"); },
       file + "the precompiled charsmap has a tree of 8 bytes in 2, a multiple of 4 that fits is needed"},
      {[](HfText& t) { t.normalizer = charsmapStage("AAAAAGFi"); }, file + "the precompiled charsmap has a last text that no 0 ends"},
      {[](HfText& t) { t.normalizer = "7"; }, file + "'normalizer' is an integer without a type"},
      {[](HfText& t) { t.preTokenizer = "null"; }, "fine"},
      {[](HfText& t) { t.preTokenizer = R"({"type": "Metaspace", "replacement": "_"})"; },
       file + "'pre_tokenizer.replacement' is '_', U+2581 is supported"},
      {[](HfText& t) { t.preTokenizer = twice(kGpt2Stage); },
       file + "'pre_tokenizer.pretokenizers.1' is a ByteLevel behind another, which is not supported"},
      {[](HfText& t) { t.preTokenizer = twice(R"({"type": "Metaspace", "replacement": "▁"})"); },
       file + "'pre_tokenizer.pretokenizers.1' is a Metaspace behind another, which is not supported"},
      {[](HfText& t) { t.normalizer = kLlama2Normalizer; },
       file + "blanks become U+2581 and the pre-tokenizer is ByteLevel, one of the two is supported"},
      {[](HfText& t) { t.preTokenizer = R"({"type": "FixedLength"})"; },
       file + "'pre_tokenizer' is of type 'FixedLength'; supported: ByteLevel, Metaspace, Split, Digits, Punctuation, Whitespace, "
              "WhitespaceSplit, CharDelimiterSplit, BertPreTokenizer, UnicodeScripts, Sequence"},
      {[](HfText& t) { t.preTokenizer = splitStage(R"([a&&b])"); },
       file + "'pre_tokenizer.pretokenizers.0': the pattern '[a&&b]' has a class inside a class, which is not read"},
      {[](HfText& t) { t.preTokenizer = splitStage(R"((a)"); }, file + "the pattern '(a' is wrong at byte 2: missing closing parenthesis"},
      {[](HfText& t) { t.preTokenizer = splitStage(R"(\\p{Nonesuch})"); },
       file + R"(the pattern '\p{Nonesuch}' is wrong at byte 12: unknown property after \P or \p)"},
      {[](HfText& t) { t.preTokenizer = R"({"type": "Split", "pattern": {"Regex": "a"}, "behavior": "Merged", "invert": false})"; },
       file + "'pre_tokenizer.behavior' is 'Merged'; Isolated, Removed, Contiguous, MergedWithPrevious and MergedWithNext are legal"},
      {[](HfText& t) { t.preTokenizer = R"({"type": "Split", "pattern": {}, "behavior": "Isolated", "invert": false})"; },
       file + "'pre_tokenizer.pattern' has no string 'Regex' or 'String'"},
      {[](HfText& t) { t.preTokenizer = R"({"type": "CharDelimiterSplit"})"; },
       file + "'pre_tokenizer.delimiter' is missing, a character is needed"},
      {[](HfText& t) { t.preTokenizer = R"({"type": "Sequence"})"; },
       file + "'pre_tokenizer' is a Sequence without an array 'pretokenizers'"},
      {[](HfText& t) { t.preTokenizer = R"({"type": "Sequence", "pretokenizers": [{"type": "Sequence", "pretokenizers": [7]}]})"; },
       file + "'pre_tokenizer.pretokenizers.0.pretokenizers.0' is an integer without a type"},
      {[](HfText& t) { t.more = R"(, "dropout": 0.1)"; }, file + "'model.dropout' is 0.1, 0 or null is needed: ids are not drawn"},
      {[](HfText& t) { t.preTokenizer = R"({"type": "Metaspace", "replacement": "▁", "prepend_scheme": "last"})"; },
       file + "'pre_tokenizer.prepend_scheme' is 'last', always, first and never are legal"},
      {[](HfText& t) { t.postProcessor = R"({"type": "RobertaProcessing"})"; },
       file + "'post_processor.cls' is no pair of a token and its id"},
      {[](HfText& t) { t.postProcessor = R"({"type": "Pairs"})"; },
       file + "'post_processor' is of type 'Pairs'; supported: ByteLevel, TemplateProcessing, BertProcessing, RobertaProcessing, Sequence"},
      {[](HfText& t) { t.postProcessor = R"({"type": "BertProcessing", "cls": ["a", 0], "sep": ["b", 3]})"; },
       file + "'post_processor' adds token 3, which is outside the vocabulary of 3"},
      {[](HfText& t) { t.postProcessor = bosTemplate("<s>", 3); },
       file + "'post_processor' adds token 3, which is outside the vocabulary of 3"},
      {[](HfText& t) {
         t.postProcessor = R"({"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>"}}], "special_tokens": {}})";
       },
       file + "'post_processor.special_tokens' has no single id for '<s>'"},
      {[](HfText& t) { t.postProcessor = R"({"type": "TemplateProcessing", "single": []})"; },
       file + "'post_processor.single' has the text 0 times, once is needed"},
      {[](HfText& t) { t.added = addedToken(0, "x"); }, file + "'added_tokens.0.id' is 0 for 'x', which is the id of 'a'"},
      {[](HfText& t) { t.added = addedToken(5, "a"); }, file + "'a' has the id 0 and as an added token 5, one id is needed"},
      {[](HfText& t) { t.added = addedToken(5, "x") + "," + addedToken(5, "x"); }, file + "'added_tokens.1' is 'x' again"},
      {[](HfText& t) { t.added = addedToken(-1, "x"); }, file + "'added_tokens.0.id' is -1, 0 to 1048575 are legal"},
      {[](HfText& t) { t.added = addedToken(1048576, "x"); }, file + "'added_tokens.0.id' is 1048576, 0 to 1048575 are legal"},
      {[](HfText& t) { t.added = R"({"id": 5})"; }, file + "'added_tokens.0.content' has 0 bytes, 1 to 4096 are legal"},
      {[](HfText& t) { t.added = R"({"content": "x"})"; }, file + "'added_tokens.0.id' is missing"},
      {[](HfText& t) { t.added = "[]"; }, file + "'added_tokens.0' is an array, an object is needed"},
      {[](HfText& t) { t.added = addedToken(5, "x", R"("special": 1)"); },
       "tokenizer.json: added_tokens.0: 'special' is an integer, true or false is needed"},
      {[](HfText& t) {
         for (int i = 0; i < 300; ++i) t.added += (i == 0 ? "" : ",") + addedToken(3 + i, std::string(4000, 'x') + std::to_string(i));
       },
       file + "the added tokens have 1200790 bytes, at most 1048576 are read"},
  };
  for (const BadHf& one : cases) {
    HfText text = smallHf();
    one.change(text);
    CHECK(messageOf(parseHfTokenizer({.tokenizer = text.text()})) == one.message);
  }
}

TEST_CASE("wrong texts of tokenizer.json and the files beside it", "[tokenizer]") {
  const std::string good = smallHf().text();
  auto changed = [&](const std::string& from, const std::string& to) {
    std::string text = good;
    size_t at = text.find(from);
    REQUIRE(at != std::string::npos);
    return messageOf(parseHfTokenizer({.tokenizer = text.replace(at, from.size(), to)}));
  };
  auto beside = [&](const std::string& config, const std::string& generation) {
    return messageOf(parseHfTokenizer({.tokenizer = good, .config = config, .generation = generation}));
  };
  CHECK(changed("\"BPE\"", "\"WordPiece\"") ==
        "tokenizer.json: the pre-tokenizer is ByteLevel, which is supported with a model of type BPE");
  CHECK(changed("\"BPE\"", "\"Tiktoken\"") == "tokenizer.json: 'model.type' is 'Tiktoken'; supported: BPE, Unigram, WordPiece, WordLevel");
  CHECK(changed("\"BPE\"", "\"Unigram\"") ==
        "tokenizer.json: 'model.vocab' is an object, a list of texts and scores is needed for Unigram");
  CHECK(changed("\"BPE\"", "3") == "tokenizer.json: 'model.type' is an integer, a string is needed");
  CHECK(changed("\"type\": \"BPE\", ", "") == "fine");
  CHECK(changed("\"b\": 1", "\"b\": \"x\"") == "tokenizer.json: 'model.vocab' of 'b' is a string, a token id is needed");
  CHECK(changed("\"b\": 1", "\"b\": -1") == "tokenizer.json: 'model.vocab' of 'b' is -1, 0 to 1048575 are legal");
  CHECK(changed("\"b\": 1", "\"b\": 1.5") == "tokenizer.json: 'model.vocab' of 'b' is a number, a token id is needed");
  CHECK(changed("\"b\": 1", "\"b\": 99999999999") == "tokenizer.json: 'model.vocab' of 'b' is 99999999999, 0 to 1048575 are legal");
  CHECK(changed("\"b\": 1", "\"b\": 0") == "tokenizer.json: 'model.vocab' has the id 0 for 'a' and for 'b', ids differ");
  CHECK(changed("\"b\": 1", jsonQuoted(std::string(4097, 'y')) + ": 1") ==
        "tokenizer.json: 'model.vocab' has a token of 4097 bytes, at most 4096 are read");
  for (const std::string& broken : {std::string(), good.substr(0, 100), good + "}", std::string(200, '[')})
    CHECK(messageOf(parseHfTokenizer({.tokenizer = broken})).starts_with("tokenizer.json: "));
  CHECK(changed("\"b\": 1", "\"b\xff\": 1").find("tokenizer.json: byte ") == 0);
  CHECK(changed("\"b\": 1", "\"a\": 1").find("tokenizer.json: byte ") == 0);
  CHECK(messageOf(parseHfTokenizer({.tokenizer = std::string(200, '[') + std::string(200, ']')}))
            .find("more than 64 objects and arrays inside each other") != std::string::npos);
  CHECK(messageOf(parseHfTokenizer({.tokenizer = std::string((64u << 20) + 1, ' ')})) ==
        "tokenizer.json: has 67108865 bytes, at most 67108864 are read");

  CHECK(beside("", "") == "fine");
  CHECK(beside(R"({"eos_token": "</s>"})", "") ==
        "tokenizer_config.json: 'eos_token' is '</s>', which the vocabulary of tokenizer.json lacks");
  CHECK(beside(R"({"eos_token": 3})", "") == "tokenizer_config.json: 'eos_token' is an integer, a string is needed");
  CHECK(beside(R"({"eos_token": {"x": 1}})", "") ==
        "tokenizer_config.json: 'eos_token' is an object without 'content', a string is needed");
  CHECK(beside(R"({"pad_token": "[PAD]"})", "") == "fine");
  CHECK(beside(R"({"add_bos_token": 1})", "") == "tokenizer_config.json: 'add_bos_token' is an integer, true or false is needed");
  CHECK(beside(R"({"add_bos_token": true})", "") == "tokenizer.json: begin-of-text is to be added, but no token is it");
  CHECK(beside("", R"({"eos_token_id": [0, 3]})") == "generation_config.json: 'eos_token_id' is 3, 0 to 2 are legal");
  CHECK(beside("", R"({"eos_token_id": "a"})") == "generation_config.json: 'eos_token_id' is a string, a token id is needed");
  CHECK(beside("", R"({"bos_token_id": -2})") == "fine");  // none
}

TEST_CASE("a large tokenizer.json takes at most 64 MiB and four times the file", "[tokenizer]") {
  for (int length : {48, 4000}) {
    std::string vocab;
    for (int id = 0; vocab.size() < 30u << 20; ++id)
      vocab += fmt::format("{}\"{:07x}{}\":{}", id == 0 ? "" : ",", id, std::string(static_cast<size_t>(length), 'z'), id);
    std::string text =
        fmt::format(R"({{"pre_tokenizer": {}, "model": {{"type": "BPE", "vocab": {{{}}}, "merges": []}}}})", kGpt2Stage, vocab);
    vocab = {};
    pid_t child = ::fork();
    if (child == 0) {  // a process of its own, for a peak of its own
      struct rusage before, after;
      ::getrusage(RUSAGE_SELF, &before);
      auto data = parseHfTokenizer({.tokenizer = text});
      bool good = data && Tokenizer::make(std::move(*data));
      ::getrusage(RUSAGE_SELF, &after);
      long limitKib = (64 << 10) + 3 * static_cast<long>(text.size() >> 10);  // the text itself is there before
      ::_exit(!good ? 2 : after.ru_maxrss - before.ru_maxrss <= limitKib ? 0 : 1);
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    INFO("tokens of " << length << " bytes");
    CHECK((WIFEXITED(status) && WEXITSTATUS(status) == 0));
  }
}

TEST_CASE("control tokens of Phi-3 take the white space behind them, as its name alone says", "[tokenizer]") {
  for (const char* name : {"Phi-3 Mini", "my-phi3-tune", "Llama"}) {
    Gguf gguf;
    gguf.model = "llama";
    gguf.tokens = {"<unk>", "<s>", "</s>", "\xe2\x96\x81", "a", "<|end|>"};
    gguf.types = {2, 3, 3, 1, 1, 3};
    gguf.scores = {0, 0, 0, 0, 0, 0};
    gguf.name = name;
    Tokenizer tokenizer = need(Tokenizer::make(need(gguf.read())));
    bool strips = std::string_view(name) != "Llama";
    auto ids = [&](const char* text) { return need(tokenizer.encode(text, {.addBos = false, .parseSpecial = true})); };
    INFO(name);
    CHECK(ids("<|end|>  a") == (strips ? std::vector<int32_t>{5, 3, 4} : std::vector<int32_t>{5, 3, 3, 3, 4}));
    CHECK(ids("<s>  a") == std::vector<int32_t>{1, 3, 3, 3, 4});  // but for these
  }
}
