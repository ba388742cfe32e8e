// tests/tokenizer/VocabularyTest.cpp — real vocabularies against the ids that the originals give.
#include "tests/tokenizer/Vocabularies.h"

#include "models/tokenizer/ModelTokenizer.h"
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

TEST_CASE("stories260K: the prompts' ids, begin-of-text first", "[tokenizer]") {
  const std::string folder = "models/stories260K/";
  if (!hasShared(folder + "stories260K.gguf")) return;
  Tokenizer tokenizer = need(readModelTokenizer(need(WeightFiles::open(sharedFile(folder + "stories260K.gguf")))));
  std::string text = need(readFile(sharedFile(folder + "expected.json")));
  JsonValue expected = need(parseJson({text, "expected.json"}));
  auto checkIds = [&](const std::string& prompt, const JsonValue* wanted) {
    REQUIRE((wanted != nullptr && wanted->as<JsonArray>() != nullptr));
    std::vector<int32_t> ids;
    for (const JsonValue& id : *wanted->as<JsonArray>()) ids.push_back(static_cast<int32_t>(id.integer().value()));
    INFO(prompt);
    CHECK(need(tokenizer.encode(prompt)) == ids);
  };
  checkIds(*expected.find("perplexity")->find("text")->as<std::string>(), expected.find("perplexity")->find("ids"));
  int prompts = 0;
  for (const JsonValue& one : *expected.find("greedy")->as<JsonArray>()) {
    if (one.find("prompt_ids") == nullptr) continue;
    checkIds(*one.find("prompt")->as<std::string>(), one.find("prompt_ids"));
    ++prompts;
  }
  CHECK(prompts >= 2);
  CHECK(need(tokenizer.encode("")) == std::vector<int32_t>{1});
}
