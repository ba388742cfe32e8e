// tests/tokenizer/SplitTest.cpp — the splitting rules against hand-written cuts, against the regular expressions run by a
// backtracking matcher, and their cost.
#include "models/tokenizer/SplitRules.h"
#include "models/tokenizer/Utf8.h"
#include "tests/tokenizer/Backtracker.h"

#include "compiler/base/Text.h"

#include <catch2/catch.hpp>

#include <random>

using namespace quern;

namespace {

constexpr const char* kGpt2 = R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
constexpr const char* kLlama3 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* kQwen2 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

using Pieces = std::vector<std::string>;

Pieces pieces(SplitRule rule, std::string_view text) {
  Pieces out;
  Splitter splitter(rule, text);
  for (std::string_view piece; splitter.next(piece);) out.emplace_back(piece);
  return out;
}

std::string shownPieces(const Pieces& all) {
  std::string out;
  for (const std::string& piece : all) out += "[" + escaped(piece) + "] ";
  return out;
}

void check(SplitRule rule, const std::string& text, const Pieces& wanted) {
  Pieces got = pieces(rule, text);
  INFO("text " << escaped(text) << "\ngot  " << shownPieces(got) << "\nwant " << shownPieces(wanted));
  CHECK(got == wanted);
}

struct Cut {
  const char* text;
  Pieces pieces;
};

/// What Llama 3 and Qwen 2 cut alike.
const Cut kBoth[] = {
    {"", {}},
    {"Hello", {"Hello"}},
    {" Hello", {" Hello"}},
    {"  Hello", {" ", " Hello"}},
    {"   Hello", {"  ", " Hello"}},
    {"\tHello", {"\tHello"}},  // any character but CR, LF, letter, number may stand before letters
    {" \tHello", {" ", "\tHello"}},
    {"\nHello", {"\n", "Hello"}},  // ... but not LF
    {"\r\nHello", {"\r\n", "Hello"}},
    {"\n\nHello", {"\n\n", "Hello"}},
    {" \n Hello", {" \n", " Hello"}},
    {"a \n b", {"a", " \n", " b"}},
    {"a \n\n  b", {"a", " \n\n", " ", " b"}},
    {"a\n", {"a", "\n"}},
    {"a  ", {"a", "  "}},
    {"a \t", {"a", " \t"}},
    {" \t!", {" ", "\t", "!"}},  // \s+(?!\S) leaves one, \s+ takes it: a tab does not join what is no letter
    {"  !", {" ", " !"}},
    {"!", {"!"}},
    {" !", {" !"}},
    {"!!!", {"!!!"}},
    {"!\n", {"!\n"}},  // line ends join the signs before them
    {"!\r\n\r\nx", {"!\r\n\r\n", "x"}},
    {"! \n", {"!", " \n"}},
    {"(abc", {"(abc"}},
    {"((abc", {"((", "abc"}},  // the signs' alternative is greedy
    {" (abc", {" (", "abc"}},
    {"a(b)c", {"a", "(b", ")c"}},
    {"_name", {"_name"}},
    {"it's", {"it", "'s"}},
    {"IT'S", {"IT", "'S"}},
    {"I'LL go", {"I", "'LL", " go"}},
    {"we'Ve", {"we", "'Ve"}},
    {"you'rE", {"you", "'rE"}},
    {"'tis", {"'t", "is"}},
    {"'d", {"'d"}},
    {"'x", {"'x"}},
    {"'lx", {"'lx"}},
    {"'", {"'"}},
    {"''s", {"''", "s"}},  // the first apostrophe begins a run of signs
    {" 's", {" '", "s"}},
    {"it'\xc5\xbf", {"it", "'\xc5\xbf"}},  // U+017F folds to s
    {"na\xc3\xafve caf\xc3\xa9", {"na\xc3\xafve", " caf\xc3\xa9"}},
    {"e\xcc\x81"
     "a",
     {"e",
      "\xcc\x81"
      "a"}},  // a combining mark is no letter
    {"\xe4\xbd\xa0\xe5\xa5\xbd\xef\xbc\x8c"
     "a",
     {"\xe4\xbd\xa0\xe5\xa5\xbd",
      "\xef\xbc\x8c"
      "a"}},
    {"\xc2\xa0"
     "a",
     {"\xc2\xa0"
      "a"}},
    {"\xc2\xa0\xc2\xa0!", {"\xc2\xa0", "\xc2\xa0", "!"}},
    {"a\xe2\x80\xa8"
     "b",
     {"a",
      "\xe2\x80\xa8"
      "b"}},  // U+2028 is white space, but neither CR nor LF
    {"a\xff"
     "b",
     {"a",
      "\xff"
      "b"}},
    {"a\xff\xfe", {"a", "\xff\xfe"}},
    {" \xff", {" \xff"}},
};

const Cut kLlama3Only[] = {
    {"1", {"1"}},
    {"123", {"123"}},
    {"1234", {"123", "4"}},
    {"1234567", {"123", "456", "7"}},
    {" 12", {" ", "12"}},
    {"a12b", {"a", "12", "b"}},
    {"3.14", {"3", ".", "14"}},
    {"$5", {"$", "5"}},
    {"\xc2\xb2\xc2\xb3\xd9\xa3"
     "4",
     {"\xc2\xb2\xc2\xb3\xd9\xa3", "4"}},
    {"2's", {"2", "'s"}},
    {"  7", {" ", " ", "7"}},
    {"\n42", {"\n", "42"}},
};

const Cut kQwen2Only[] = {
    {"1", {"1"}},
    {"123", {"1", "2", "3"}},
    {" 12", {" ", "1", "2"}},
    {"a12b", {"a", "1", "2", "b"}},
    {"3.14", {"3", ".", "1", "4"}},
    {"$5", {"$", "5"}},
    {"\xc2\xb2\xd9\xa3"
     "4",
     {"\xc2\xb2", "\xd9\xa3", "4"}},
    {"2's", {"2", "'s"}},
    {"  7", {" ", " ", "7"}},
    {"\n42", {"\n", "4", "2"}},
};

const Cut kGpt2Only[] = {
    {"", {}},
    {"Hello world", {"Hello", " world"}},
    {"  Hello", {" ", " Hello"}},
    {"\tHello", {"\t", "Hello"}},
    {"\n\nHello", {"\n", "\n", "Hello"}},
    {"a\n\n", {"a", "\n\n"}},
    {" \n b", {" \n", " b"}},
    {"it's", {"it", "'s"}},
    {"IT'S", {"IT", "'", "S"}},
    {"it'\xc5\xbf", {"it", "'", "\xc5\xbf"}},
    {"12345", {"12345"}},
    {" 12345", {" 12345"}},
    {"a12b", {"a", "12", "b"}},
    {"3.14", {"3", ".", "14"}},
    {"(abc", {"(", "abc"}},
    {" (abc", {" (", "abc"}},
    {"!\n", {"!", "\n"}},
    {"a  !", {"a", " ", " !"}},
    {"'ll'", {"'ll", "'"}},
    {"''ll", {"''", "ll"}},
    {"\xff\xfe"
     "a",
     {"\xff\xfe", "a"}},
    {" \xff", {" \xff"}},
    {"\xc2\xa0"
     "a",
     {"\xc2\xa0", "a"}},
    {"a\xcc\x81", {"a", "\xcc\x81"}},
    {"   ", {"   "}},
    {"a   b", {"a", "  ", " b"}},
    {"\r\n", {"\r\n"}},
    {"'re've'm'd't", {"'re", "'ve", "'m", "'d", "'t"}},
    {"\xe2\x85\xa7", {"\xe2\x85\xa7"}},
    {" \t", {" \t"}},
    {" \ta", {" ", "\t", "a"}},
    {"a_b", {"a", "_", "b"}},
    {"1st", {"1", "st"}},
    {"x=1", {"x", "=", "1"}},
    {"'", {"'"}},
    {"'r", {"'", "r"}},
    {" 's", {" '", "s"}},
    {"a 's", {"a", " '", "s"}},
    {"\xf0\x9f\xa6\x99.cpp", {"\xf0\x9f\xa6\x99.", "cpp"}},
    {"......", {"......"}},
};

const Cut kGgufOnly[] = {
    {"Hello, world", {"Hello", ",", " world"}},
    {"1234567", {"123", "456", "7"}},
    {" 1234", {" ", "123", "4"}},
    {"12\xc2\xb2"
     "345",
     {"12\xc2\xb2", "345"}},
    {"it's", {"it", "'", "s"}},
    {"a+b", {"a", "+", "b"}},
    {" $5", {" ", "$", "5"}},
    {"a  b", {"a", " ", " b"}},
    {"a  .", {"a", "  ", "."}},
    {"x__y", {"x", "__", "y"}},
    {"\xc2\xb2", {"\xc2\xb2"}},
    {"", {}},
};

/// Characters of every class that a rule tells apart, letters of the contractions first.
const char* const kAlphabet[] = {
    "s",
    "t",
    "r",
    "e",
    "v",
    "m",
    "l",
    "d",
    "S",
    "T",
    "R",
    "E",
    "V",
    "M",
    "L",
    "D",
    "'",
    "'",
    "'",
    " ",
    " ",
    " ",
    "\n",
    "\r",
    "\t",
    "a",
    "Z",
    "!",
    ".",
    "$",
    "+",
    "_",
    "1",
    "2",
    "3",
    "\xc2\xb2",
    "\xd9\xa3",
    "\xe2\x85\xa7",
    "\xc3\xa9",
    "\xe4\xbd\xa0",
    "\xca\xb0",
    "\xe1\xbe\x88",
    "\xcc\x81",
    "\xc2\xa0",
    "\xe3\x80\x80",
    "\xe2\x80\xa8",
    "\xc2\x85",
    "\xe2\x80\x8b",
    "\xf0\x9f\xa6\x99",
    "\xc5\xbf",
    "\xff",
    "\x80",
    "\xe4\xbd",
    "\xed\xa0\x80",
};

std::string randomText(std::mt19937_64& random, size_t most) {
  std::string out;
  for (size_t i = random() % (most + 1); i > 0; --i) out += kAlphabet[random() % std::size(kAlphabet)];
  return out;
}

}  // namespace

TEST_CASE("splitting: hand-written cuts", "[tokenizer]") {
  REQUIRE(std::size(kBoth) + std::size(kQwen2Only) >= 40);
  REQUIRE(std::size(kGpt2Only) >= 40);
  for (const Cut& cut : kBoth) check(SplitRule::Llama3, cut.text, cut.pieces);
  for (const Cut& cut : kLlama3Only) check(SplitRule::Llama3, cut.text, cut.pieces);
  for (const Cut& cut : kBoth) check(SplitRule::Qwen2, cut.text, cut.pieces);
  for (const Cut& cut : kQwen2Only) check(SplitRule::Qwen2, cut.text, cut.pieces);
  for (const Cut& cut : kGpt2Only) check(SplitRule::Gpt2, cut.text, cut.pieces);
  for (const Cut& cut : kGgufOnly) check(SplitRule::GgufDefault, cut.text, cut.pieces);
  check(SplitRule::Words,
        "\xe2\x96\x81"
        "a\xe2\x96\x81\xe2\x96\x81"
        "b",
        {"\xe2\x96\x81"
         "a",
         "\xe2\x96\x81",
         "\xe2\x96\x81"
         "b"});
  check(SplitRule::Words, "a", {"a"});
  check(SplitRule::None, "a b\n1", {"a b\n1"});
}

TEST_CASE("splitting: 100,000 random texts as the regular expressions cut them", "[tokenizer]") {
  const std::pair<SplitRule, const char*> rules[] = {{SplitRule::Gpt2, kGpt2}, {SplitRule::Llama3, kLlama3}, {SplitRule::Qwen2, kQwen2}};
  std::mt19937_64 random(1);
  for (auto [rule, pattern] : rules) {
    Backtracker oracle(pattern);
    for (int i = 0; i < 100000; ++i) {
      std::string text = randomText(random, 12);
      if (pieces(rule, text) != oracle.cut(text)) check(rule, text, oracle.cut(text));
    }
  }
  const Backtracker chain[] = {Backtracker(R"([\p{P}\$\+<=>\^~\|]+)"),
                               Backtracker(R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S))"),
                               Backtracker(R"(\p{N}+)"), Backtracker("[0-9][0-9][0-9]")};
  for (int i = 0; i < 100000; ++i) {
    std::string text = randomText(random, 12);
    Pieces wanted = text.empty() ? Pieces() : Pieces{text};
    for (const Backtracker& step : chain) {
      Pieces finer;
      for (const std::string& piece : wanted)
        for (std::string& part : step.cut(piece)) finer.push_back(std::move(part));
      wanted = std::move(finer);
    }
    if (pieces(SplitRule::GgufDefault, text) != wanted) check(SplitRule::GgufDefault, text, wanted);
  }
  SUCCEED("no text was cut otherwise");
}

TEST_CASE("splitting costs a fixed number of looks at each character", "[tokenizer]") {
  std::mt19937_64 random(2);
  std::vector<std::string> texts;
  for (const char* one : kAlphabet) texts.push_back(one);
  for (int i = 0; i < 200; ++i) texts.push_back(randomText(random, 5));
  for (SplitRule rule :
       {SplitRule::Gpt2, SplitRule::Llama3, SplitRule::Qwen2, SplitRule::GgufDefault, SplitRule::NumberGroups, SplitRule::DigitTriples})
    for (const std::string& unit : texts) {
      if (unit.empty()) continue;
      std::string text;
      while (text.size() < 20000) text += unit;
      Splitter splitter(rule, text);
      size_t total = 0;
      for (std::string_view piece; splitter.next(piece);) total += piece.size();
      INFO(escaped(unit));
      CHECK(total == text.size());
      CHECK(splitter.charsSeen() <= 8 * text.size());
    }
}

TEST_CASE("numbers in threes from their end, as llama.cpp cuts them", "[tokenizer]") {
  auto pieces = [](SplitRule rule, std::string_view text) {
    std::vector<std::string> out;
    Splitter splitter(rule, text);
    for (std::string_view piece; splitter.next(piece);) out.emplace_back(piece);
    return out;
  };
  using Pieces = std::vector<std::string>;
  CHECK(pieces(SplitRule::NumberGroups, "abc1234de567x12") == Pieces{"abc1", "234", "de567", "x12"});
  CHECK(pieces(SplitRule::NumberGroups,
               "x1\xd9\xa3"
               "234 5") == Pieces{"x1\xd9\xa3", "234", " 5"});  // any number counts
  CHECK(pieces(SplitRule::NumberGroups, "no") == Pieces{"no"});
  CHECK(pieces(SplitRule::DigitTriples, "1234567 12 123a") == Pieces{"1", "234", "567 12 ", "123a"});
  CHECK(pieces(SplitRule::DigitTriples, "123456") == Pieces{"123", "456"});
  CHECK(pieces(SplitRule::DigitTriples, "x12") == Pieces{"x12"});
}

TEST_CASE("NFC, as Unicode's examples have it, and in time", "[tokenizer]") {
  auto nfc = [](std::string_view text) { return normalForm(text, false, true); };
  CHECK(nfc("e\xcc\x81") == "\xc3\xa9");
  CHECK(nfc("\xe2\x84\xab") == "\xc3\x85");                              // ANGSTROM SIGN
  CHECK(nfc("q\xcc\x87\xcc\xa3") == "q\xcc\xa3\xcc\x87");                // marks in the order of their classes
  CHECK(nfc("\xe1\x84\x80\xe1\x85\xa1\xe1\x86\xa8") == "\xea\xb0\x81");  // Hangul
  CHECK(nfc("a\xff"
            "e\xcc\x81\xfe") == "a\xff\xc3\xa9\xfe");  // bytes that are none stay
  CHECK(nfc("\xef\xac\x81") == "\xef\xac\x81");        // a ligature is not canonical
  std::string marks = "a";
  for (int i = 0; i < 200000; ++i) marks += i % 2 == 0 ? "\xcc\x87" : "\xcc\xa3";
  CHECK(nfc(marks).size() > 300000);
}
