// tests/tokenizer/PeerTest.cpp — the vocabularies that llama.cpp carries: its vectors, and random texts beside llama.cpp itself.
// They are looked for in QUERN_VOCABULARIES, else where tools/peers/install puts llama.cpp's sources; QUERN_TOKENS_PEER names the program
// that tools/peers/llama-cpp/tokens builds.
#include "tests/tokenizer/Vocabularies.h"

#include "models/tokenizer/ModelTokenizer.h"

#include <cstdio>
#include <fstream>
#include <random>

using namespace quern;

namespace {

std::string vocabularyFolder() {
  const char* given = std::getenv("QUERN_VOCABULARIES");
  return given != nullptr ? given : testsFile("../build/peers/llama-cpp/source/models");
}

/// The paths of all ggml-vocab-*.gguf there are; none, with a note, where there is no such folder.
std::vector<std::string> vocabularies() {
  std::vector<std::string> out;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(vocabularyFolder(), ignored))
    if (std::string name = entry.path().filename(); name.starts_with("ggml-vocab-") && name.ends_with(".gguf")) out.push_back(entry.path());
  std::sort(out.begin(), out.end());
  if (out.empty()) WARN("skipped: no ggml-vocab-*.gguf in " << vocabularyFolder() << "; tools/peers/install llama-cpp brings them");
  return out;
}

/// What files have had trouble with, and what is only there to be in the way.
const std::vector<std::vector<std::string>> kParts = {
    {"a", "b", "e", "s", "t", "h", "o", "n", "r", "l"},
    {" ", " ", "  ", "    "},
    {"\n", "\n\n", "\r\n", "\t", " \n "},
    {"0", "1", "2", "7", "9", "12", "2024", "1234567"},
    {"A", "B", "The", "Hello", "HTTP", "iPhone"},
    {".", ",",  "!", "?", "'", "\"", "-", "_", "(", ")", "[", "]", "{", "}", "<", ">",
     "/", "\\", "|", "~", "`", "@",  "#", "$", "%", "^", "&", "*", "+", "=", ":", ";"},
    {"'s", "'t", "'re", "'VE", "'ll", "'D", " the", " world", "ing", "tion", "don't", "I'm"},
    {"é", "è", "ü", "ñ", "Ä", "ß", "ø", "å", "İ", "ı", "Å", "ﬁ", "Ａ", "ǅ"},
    {"你", "好", "世", "界", "漢", "々", "ー", "ひ", "ら", "カ", "タ"},
    {"한", "국", "어", "가", "각", "ᄀ", "ᅡ"},
    {"привет", "мир", "α", "β", "Ω", "ς", "عرب", "٣", "٤", "שלום", "हि", "न्दी", "ไทย", "ខ្មែ"},
    {"🦙", "👍🏽", "👨‍👩‍👧", "🇩🇪", "❤️"},
    {"\xcc\x81", "\xcc\x88", "\xe2\x80\x8d", "\xe2\x80\x8b", "\xc2\xad", "\xef\xbb\xbf", "\xe2\x83\x9d"},
    {"\xc2\xa0", "\xe2\x80\x83", "\xe2\x80\xa8", "\xe3\x80\x80", "\xc2\x85", "\xe1\x9a\x80", "\xe1\xa0\x8e"},
    {"½", "²", "³", "Ⅷ", "①", "五", "€", "£", "±", "∞", "→", "▁", "「", "。", "…"},
};

std::string randomText(std::mt19937_64& random) {
  static constexpr int kRuns[] = {1, 2, 3, 5, 8, 13, 20, 40};
  std::string out;
  bool all = random() % 3 == 0;
  size_t one = random() % kParts.size(), other = random() % kParts.size();
  for (int run = kRuns[random() % std::size(kRuns)]; run > 0; --run) {
    const auto& parts = kParts[all ? random() % kParts.size() : random() % 2 == 0 ? one : other];
    for (size_t count = 1 + random() % 4; count > 0; --count) out += parts[random() % parts.size()];
  }
  return out;
}

using Lines = std::vector<std::vector<int32_t>>;

/// What the peer makes of texts: its program reads each behind its length and prints a line of ids.
Lines peerIds(const std::string& program, const std::string& vocabulary, const std::vector<std::string>& texts) {
  std::string file = "/tmp/quern-test-XXXXXX";
  int descriptor = ::mkstemp(file.data());
  REQUIRE(descriptor >= 0);
  ::close(descriptor);
  std::ofstream out(file, std::ios::binary);
  for (const std::string& text : texts) out << text.size() << '\n' << text;
  out.close();
  std::FILE* pipe = ::popen(("'" + program + "' '" + vocabulary + "' < " + file).c_str(), "r");
  REQUIRE(pipe != nullptr);
  std::string answer;
  char buffer[4096];
  for (size_t got; (got = std::fread(buffer, 1, sizeof buffer, pipe)) > 0;) answer.append(buffer, got);
  REQUIRE(::pclose(pipe) == 0);
  std::filesystem::remove(file);
  Lines lines;
  for (const std::string& line : split(answer, '\n')) {
    lines.emplace_back();
    for (const std::string& word : split(line, ' '))
      if (!word.empty()) lines.back().push_back(static_cast<int32_t>(parseInt(word).value()));
  }
  return lines;
}

Tokenizer tokenizerOf(const std::string& path) { return need(readModelTokenizer(need(WeightFiles::open(path)))); }

}  // namespace

TEST_CASE("llama.cpp's vectors of every vocabulary that it carries", "[tokenizer]") {
  for (const std::string& path : vocabularies()) {
    if (!std::filesystem::exists(path + ".inp")) continue;
    Tokenizer tokenizer = tokenizerOf(path);
    std::vector<Vector> vectors = readVectorsAt(path);
    INFO(path);
    REQUIRE(vectors.size() >= 40);
    for (const Vector& vector : vectors) {
      INFO("text: " << escaped(vector.text));
      CHECK(need(tokenizer.encode(vector.text, {.addBos = false})) == vector.ids);
    }
  }
}

TEST_CASE("300 random texts of every vocabulary beside llama.cpp", "[tokenizer]") {
  const char* program = std::getenv("QUERN_TOKENS_PEER");
  if (program == nullptr) {
    WARN("skipped: QUERN_TOKENS_PEER names no program; tools/peers/llama-cpp/tokens builds it and runs this");
    return;
  }
  const char* seed = std::getenv("QUERN_TEST_SEED");
  for (const std::string& path : vocabularies()) {
    uint64_t number = seed == nullptr ? 1 : static_cast<uint64_t>(parseInt(seed).value());
    std::mt19937_64 random(number);
    std::vector<std::string> texts;
    for (int i = 0; i < 300; ++i) texts.push_back(randomText(random));
    Tokenizer tokenizer = tokenizerOf(path);
    Lines wanted = peerIds(program, path, texts);
    REQUIRE(wanted.size() >= texts.size());
    int wrong = 0;
    for (size_t i = 0; i < texts.size(); ++i) {
      auto ids = need(tokenizer.encode(texts[i], {.addBos = false}));
      if (ids == wanted[i] || ++wrong > 3) continue;
      UNSCOPED_INFO("QUERN_TEST_SEED=" << number << " " << escaped(texts[i]) << "\ngot  " << shown(ids) << "\nwant " << shown(wanted[i]));
    }
    INFO(path);
    CHECK(wrong == 0);
  }
}
