// tests/tokenizer/FormsTest.cpp — tokenizers in other forms than tokenizer.json: right ones by hand, wrong ones with their whole messages.
#include "models/tokenizer/HfTokenizer.h"
#include "models/tokenizer/Tokenizer.h"
#include "models/tokenizer/WireFields.h"
#include "tests/tokenizer/Vocabularies.h"

using namespace quern;

namespace {

using Ids = std::vector<int32_t>;

std::string varint(uint64_t value) {
  std::string out;
  for (; value > 0x7f; value >>= 7) out += static_cast<char>((value & 0x7f) | 0x80);
  return out + static_cast<char>(value);
}
std::string number(uint64_t field, uint64_t value) { return varint(field << 3) + varint(value); }
std::string bytes(uint64_t field, const std::string& value) { return varint(field << 3 | 2) + varint(value.size()) + value; }
std::string decimal(uint64_t field, float value) {
  std::string out = varint(field << 3 | 5);
  return out.append(reinterpret_cast<const char*>(&value), sizeof value);
}
std::string piece(const std::string& text, float score, uint64_t type) {
  return bytes(1, bytes(1, text) + decimal(2, score) + number(3, type));
}

/// <unk> <s> </s> ▁ a b ab ▁a
std::string pieces() {
  return piece("<unk>", 0, 2) + piece("<s>", 0, 3) + piece("</s>", 0, 3) + piece("▁", -3, 1) + piece("a", -3, 1) + piece("b", -3, 1) +
         piece("ab", -4, 1) + piece("▁a", -4, 1);
}

Result<TokenizerData> ofPieces(const std::string& model, const std::string& config = "", const std::string& added = "") {
  return parseHfTokenizer(
      {.form = HfForm::SentencePiece, .tokenizer = model, .config = config, .added = added, .tokenizerFile = "t.model"});
}

std::string messageOf(Result<TokenizerData> data) {
  if (!data) return (data.error().code == ErrorCode::BadInput ? "" : "other code: ") + data.error().message;
  auto tokenizer = Tokenizer::make(std::move(*data));
  return tokenizer ? "fine" : tokenizer.error().message;
}

Tokenizer made(Result<TokenizerData> data) { return need(Tokenizer::make(need(std::move(data)))); }

}  // namespace

TEST_CASE("tokenizer.model: begin and end by the class, added tokens, back to text", "[tokenizer]") {
  Tokenizer plain = made(ofPieces(pieces()));
  CHECK(need(plain.encode(" ab  a")) == Ids{3, 6, 7});
  CHECK(need(plain.decode(Ids{3, 6, 7})) == "ab a");
  CHECK(plain.isEnd(2));
  Tokenizer llama = made(ofPieces(pieces(), R"({"tokenizer_class": "LlamaTokenizer", "bos_token": "<s>"})"));
  CHECK(need(llama.encode("a", {.addEos = true})) == Ids{1, 7});
  Tokenizer t5 = made(ofPieces(pieces(), R"({"tokenizer_class": "T5Tokenizer"})", R"({"<x>": 8})"));
  CHECK(need(t5.encode("a<x>", {.addEos = true})) == Ids{7, 8, 2});
  Tokenizer merges = made(ofPieces(pieces() + bytes(2, number(3, 2))));
  CHECK(need(merges.encode("abz")) == Ids{7, 5, 0});  // of equal scores the leftmost
}

TEST_CASE("Unigram: ties, and what an unknown character costs, as SentencePiece has them", "[tokenizer]") {
  const std::string begin = piece("<unk>", 0, 2) + piece("▁", -3, 1) + piece("a", -3, 1);
  Tokenizer ties = made(ofPieces(begin + piece("b", -3, 1) + piece("ab", -6, 1)));
  CHECK(need(ties.encode("ab")) == Ids{1, 4});
  // xa b at -24 against x ab: 10 below the lowest score, -20, and -1.
  Tokenizer dear = made(ofPieces(begin + piece("b", -20, 1) + piece("ab", -1, 1) + piece("xa", -4, 1)));
  CHECK(need(dear.encode("xab")) == Ids{1, 5, 3});
  CHECK(need(dear.encode("xyab")) == Ids{1, 0, 4});
}

TEST_CASE("wrong tokenizer.model", "[tokenizer]") {
  CHECK(messageOf(ofPieces(pieces())) == "fine");
  CHECK(messageOf(ofPieces(std::string(1, '\0'))) == "t.model: byte 1 of a message: has a field 0");
  CHECK(messageOf(ofPieces("\x0a\x7f")) == "t.model: byte 2 of a message: has 0 bytes of field 1");
  CHECK(messageOf(ofPieces("\x0b")) == "t.model: byte 1 of a message: has a field of wire type 3");
  CHECK(messageOf(ofPieces("\x08\xff")) == "t.model: byte 2 of a message: is cut within a number");
  CHECK(messageOf(ofPieces(bytes(2, number(3, 1)))) == "t.model: has no pieces: it is no model of SentencePiece");
  CHECK(messageOf(ofPieces(pieces() + bytes(2, number(3, 4)))) ==
        "t.model: 'trainer_spec.model_type' is 4, 1 (UNIGRAM) and 2 (BPE) are supported");
  CHECK(messageOf(ofPieces(pieces() + piece("c", 0, 7))) == "t.model: piece 8 is of type 7, 1 to 6 are legal");
  CHECK(messageOf(ofPieces(pieces() + piece("", 0, 1))) == "t.model: piece 8 has 0 bytes, 1 to 4096 are legal");
  CHECK(messageOf(ofPieces(pieces() + piece("a", 0, 1))) == "t.model: 'a' is piece 4 and piece 8, pieces differ");
  CHECK(messageOf(ofPieces(pieces() + piece("c", 0, 5) + bytes(2, number(3, 2)))) ==
        "t.model: has unused pieces in a BPE model, which are not supported");
  CHECK(messageOf(ofPieces(pieces() + piece("c", 0, 6) + bytes(2, number(35, 1)))) ==
        "t.model: token 8 'c' is a byte token, <0x00> to <0xFF> are legal");
  CHECK(messageOf(ofPieces(pieces() + bytes(3, bytes(2, "ab")))) ==
        "t.model: 'normalizer_spec.precompiled_charsmap' has 2 bytes, at least 4 are needed");
  CHECK(messageOf(ofPieces(pieces() + bytes(5, bytes(2, "ab")))) ==
        "t.model: 'denormalizer_spec.precompiled_charsmap' is there, none is supported");
  CHECK(messageOf(ofPieces(pieces() + piece("c", -std::numeric_limits<float>::infinity(), 1))) ==
        "t.model: the score of token 8 is infinite, a number is needed");
  CHECK(messageOf(ofPieces(pieces(), R"({"tokenizer_class": "XLMRobertaTokenizer"})"))
            .starts_with("tokenizer_config.json: 'tokenizer_class' is 'XLMRobertaTokenizer', without a tokenizer.json these are read: "));
  CHECK(messageOf(ofPieces(pieces(), "", R"({"<x>": 9})")) == "t.model: has 8 pieces, and '<x>' is added as 9: ids follow each other");
  CHECK(messageOf(ofPieces(pieces(), R"({"added_tokens_decoder": {"x": {}}})")) ==
        "tokenizer_config.json: 'added_tokens_decoder.x' is no token by its id");
  for (size_t cut = 1; cut < pieces().size(); ++cut) CHECK(!messageOf(ofPieces(pieces().substr(0, cut))).empty());
}

TEST_CASE("vocab.json with merges.txt", "[tokenizer]") {
  const std::string vocab = R"({"a": 0, "b": 1, "ab": 2, "Ġ": 3, "Ġa": 4, "<s>": 5, "</s>": 6, "<mask>": 7})",
                    merges = "#version: 0.2\na b\nĠ a\n";
  auto read = [&](const std::string& config, const std::string& list) {
    return parseHfTokenizer(
        {.form = HfForm::VocabMerges, .tokenizer = vocab, .config = config, .merges = list, .tokenizerFile = "vocab.json"});
  };
  CHECK(need(made(read("", merges)).encode("ab ab")) == Ids{2, 3, 2});
  Tokenizer roberta =
      made(read(R"({"tokenizer_class": "RobertaTokenizerFast", "mask_token": "<mask>", "add_prefix_space": true})", merges));
  CHECK(need(roberta.encode("ab<mask>", {.addEos = true, .parseSpecial = true})) == Ids{5, 3, 2, 7, 6});
  CHECK(need(made(read(R"({"tokenizer_class": "GPT2Tokenizer"})", "a b\r\n\r\n")).encode("ab")) == Ids{2});
  CHECK(messageOf(read(R"({"tokenizer_class": "WhisperTokenizer"})", merges)) ==
        "tokenizer_config.json: 'tokenizer_class' is 'WhisperTokenizer', without a tokenizer.json these are read: GPT2Tokenizer, "
        "CodeGenTokenizer, GPTNeoXTokenizer, RobertaTokenizer, LongformerTokenizer, BartTokenizer, Qwen2Tokenizer, CLIPTokenizer");
  CHECK(messageOf(read("", "a b\na\n")) == "vocab.json: 'model.merges': merge 1 is 'a', two tokens with a blank between are needed");
  CHECK(messageOf(read("", "a c\n")) ==
        "vocab.json: 'model.merges': 1 of 1 merges name tokens that the vocabulary lacks, the first: merge 0 'a c' needs 'c'");
}

TEST_CASE("vocab.txt", "[tokenizer]") {
  const std::string lines = "[PAD]\n[UNK]\n[CLS]\n[SEP]\nhello\n##s\n,\nüber\nuber\n";
  auto read = [&](const std::string& text, const std::string& config) {
    return parseHfTokenizer({.form = HfForm::VocabTxt, .tokenizer = text, .config = config, .tokenizerFile = "vocab.txt"});
  };
  Tokenizer bert = made(read(lines, ""));
  CHECK(need(bert.encode("Hellos, Über z [SEP]", {.addEos = true})) == Ids{2, 4, 5, 6, 8, 1, 1, 1, 1, 3});
  CHECK(need(bert.encode("[SEP]", {.addBos = false, .parseSpecial = true})) == Ids{3});
  CHECK(need(bert.decode(Ids{2, 4, 5, 6, 3})) == "hellos ,");
  CHECK(
      need(made(read(lines, R"({"do_lower_case": false, "tokenizer_class": "BertTokenizer"})")).encode("über Hello", {.addBos = false})) ==
      Ids{7, 1});
  CHECK(messageOf(read("a\n\xff\n", "")) == "vocab.txt: line 2 is not UTF-8");
  CHECK(messageOf(read("a\na\n", "")) == "vocab.txt: 'a' has the id 0 and as an added token 1, one id is needed");
  CHECK(messageOf(read("\n", "")) == "vocab.txt: 'model.vocab' has no tokens");
  CHECK(messageOf(read(lines, R"({"do_basic_tokenize": false})")) ==
        "tokenizer_config.json: 'do_basic_tokenize' is false, true is supported");
  CHECK(messageOf(read(lines, R"({"unk_token": "?"})")) == "vocab.txt: 'model.unk_token' is '?', which the vocabulary lacks");
}
