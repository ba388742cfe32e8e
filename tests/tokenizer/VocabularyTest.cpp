// tests/tokenizer/VocabularyTest.cpp — real vocabularies against the ids that the originals give.
#include "tests/tokenizer/Vocabularies.h"

#include "models/tokenizer/TextStream.h"

using namespace quern;

static void checkVectors(const std::string& name) {
  if (!hasShared(name)) return;
  Tokenizer tokenizer = readVocabulary(name);
  std::vector<Vector> vectors = readVectors(name);
  REQUIRE(vectors.size() == 46);
  for (const Vector& vector : vectors) {
    auto ids = need(tokenizer.encode(vector.text, {.addBos = false}));
    INFO("text: " << escaped(vector.text) << "\nids:  " << shown(ids) << "\nwant: " << shown(vector.ids));
    CHECK(ids == vector.ids);
    CHECK(need(tokenizer.decode(ids)) == vector.text);
    TextStream stream(tokenizer, true);
    std::string streamed;
    for (int32_t id : ids) streamed += need(stream.add(id));
    streamed += stream.flush();
    CHECK(streamed == vector.text);
  }
}

TEST_CASE("GPT-2: 46 vectors, there and back", "[tokenizer]") { checkVectors(kGpt2Vocabulary); }
TEST_CASE("Llama: 46 vectors, there and back", "[tokenizer]") { checkVectors(kLlamaVocabulary); }
