// tests/model/StoriesTest.cpp — a model that others trained: greedy text, token ids and perplexity are theirs, on every ISA level.
#include "models/files/Json.h"
#include "models/tokenizer/ModelTokenizer.h"
#include "models/tokenizer/TextStream.h"
#include "tests/model/TestModel.h"
#include "tests/tokenizer/HfText.h"

#include <cmath>
#include <fstream>

using namespace quern;

namespace {

constexpr const char* kStories = "models/stories260K/stories260K.gguf";

JsonValue expected() {
  std::string path = sharedFile("models/stories260K/expected.json");
  return need(parseJson({need(readFile(path)), path}));
}

const JsonValue& field(const JsonValue& object, const char* key) {
  const JsonValue* found = object.find(key);
  INFO(key);
  REQUIRE(found != nullptr);
  return *found;
}

std::string stringOf(const JsonValue& object, const char* key) {
  const auto* text = field(object, key).as<std::string>();
  REQUIRE(text != nullptr);
  return *text;
}

std::vector<int32_t> idsOf(const JsonValue& object, const char* key) {
  const auto* list = field(object, key).as<JsonArray>();
  REQUIRE(list != nullptr);
  std::vector<int32_t> ids;
  for (const JsonValue& each : *list) ids.push_back(static_cast<int32_t>(each.integer().value()));
  return ids;
}

double numberOf(const JsonValue& object, const char* key) { return field(object, key).number().value(); }

/// The negative log likelihood of ids[1..], summed.
double surpriseOf(const std::vector<float>& logits, const std::vector<int32_t>& ids, size_t vocab) {
  double total = 0;
  for (size_t t = 0; t + 1 < ids.size(); ++t) {
    const float* row = logits.data() + t * vocab;
    double top = *std::max_element(row, row + vocab), sum = 0;
    for (size_t v = 0; v < vocab; ++v) sum += std::exp(row[v] - top);
    total += top + std::log(sum) - row[ids[t + 1]];
  }
  return total;
}

/// One entry of "greedy": what it has of prompt_ids, ids and starts_with. Returns how many ids or bytes were compared.
size_t checkGreedy(Session& model, const Tokenizer& tokenizer, const JsonValue& entry) {
  std::string prompt = stringOf(entry, "prompt");
  INFO("prompt '" << prompt << "'");
  std::vector<int32_t> ids = need(tokenizer.encode(prompt));
  if (entry.find("prompt_ids") != nullptr) CHECK(ids == idsOf(entry, "prompt_ids"));
  if (entry.find("ids") != nullptr) {
    std::vector<int32_t> wanted = idsOf(entry, "ids");
    CHECK(shown(greedyIds(model, ids, wanted.size())) == shown(wanted));
    return wanted.size();
  }
  std::string wanted = stringOf(entry, "starts_with"), text;
  TextStream stream(tokenizer, true);
  auto most = static_cast<size_t>(model.context()) - ids.size();
  for (int32_t id : greedyIds(model, ids, most)) {
    if (text.size() >= wanted.size()) break;
    text += need(stream.add(id));
  }
  CHECK(text.substr(0, wanted.size()) == wanted);
  return wanted.size();
}

}  // namespace

TEST_CASE("stories260K: sizes are as its authors say", "[stories]") {
  if (!hasShared(kStories)) return;
  ModelSource source = need(openModelFiles(sharedFile(kStories)));
  const JsonValue all = expected();
  const JsonValue& shape = field(all, "shape");
  const ModelConfig& c = source.config;
  CHECK(c.width == numberOf(shape, "dim"));
  CHECK(c.hidden == numberOf(shape, "hidden"));
  CHECK(c.layers == numberOf(shape, "layers"));
  CHECK(c.heads == numberOf(shape, "heads"));
  CHECK(c.keyHeads() == numberOf(shape, "kv_heads"));
  CHECK(c.vocab == numberOf(shape, "vocab"));
  CHECK(c.context == numberOf(shape, "context"));
  CHECK(double{c.eps} == Approx(numberOf(shape, "rms_eps")).epsilon(1e-6));
  CHECK(c.rope.base == numberOf(shape, "rope_base"));
  CHECK(c.rope.pairs == RopePairs::Adjacent);
}

TEST_CASE("stories260K: greedy text and ids are the published ones on every level", "[stories]") {
  if (!hasShared(kStories)) return;
  const JsonValue all = expected();
  const auto* entries = field(all, "greedy").as<JsonArray>();
  REQUIRE(entries != nullptr);
  REQUIRE(entries->size() >= 3);
  for (const Target& target : runnableLevels()) {
    INFO(target.name);
    std::unique_ptr<Session> model = loadedModel(sharedFile(kStories), {}, target);
    Tokenizer tokenizer = need(readModelTokenizer(*model->model().source().files));
    for (const JsonValue& entry : *entries) CHECK(checkGreedy(*model, tokenizer, entry) > 30);
  }
}

TEST_CASE("stories260K: a Hugging Face folder with its tokenizer.json gives the published texts", "[stories]") {
  if (!hasShared(kStories)) return;
  Folder folder;
  std::string path = writeHf(readModel(sharedFile(kStories), "llama"), folder.path);
  WeightFiles original = need(WeightFiles::open(sharedFile(kStories)));
  std::ofstream(path + "/tokenizer.json") << llama2Style(original.metadata()).text();
  std::unique_ptr<Session> model = loadedModel(path);
  Tokenizer tokenizer = need(readModelTokenizer(*model->model().source().files));
  const JsonValue all = expected();
  for (const JsonValue& entry : *field(all, "greedy").as<JsonArray>()) CHECK(checkGreedy(*model, tokenizer, entry) > 30);
}

TEST_CASE("stories260K: perplexity is the published one on every level", "[stories]") {
  if (!hasShared(kStories)) return;
  const JsonValue all = expected();
  const JsonValue& wanted = field(all, "perplexity");
  std::vector<int32_t> ids = idsOf(wanted, "ids");
  double tolerance = numberOf(wanted, "relative_tolerance");
  for (const Target& target : runnableLevels()) {
    INFO(target.name);
    std::unique_ptr<Session> model = loadedModel(sharedFile(kStories), {}, target);
    Tokenizer tokenizer = need(readModelTokenizer(*model->model().source().files));
    CHECK(need(tokenizer.encode(stringOf(wanted, "text"))) == ids);
    double total = surpriseOf(allLogits(*model, ids), ids, static_cast<size_t>(model->config().vocab));
    CHECK(std::fabs(total / numberOf(wanted, "nll_sum") - 1) < tolerance);
    CHECK(std::fabs(std::exp(total / static_cast<double>(ids.size() - 1)) / numberOf(wanted, "value") - 1) < tolerance);
  }
}
