// tests/model/LayerSizesTest.cpp — sizes that GGUF says layer by layer: the same number everywhere is that number, others are caches,
// sessions and descriptions of their own; arrays that do not fit are refused by key.
#include "models/SessionFile.h"
#include "tests/model/TestFamilies.h"

using namespace quern;

namespace {

TestModel growing() {
  for (const TestFamily& family : testFamilies())
    if (std::string_view(family.name) == "openelm") return family.model;
  FAIL("no family of layers that grow");
  return {};
}

/// A Llama of such layers.
TestModel sized(const std::vector<LayerConfig>& layers) {
  ModelConfig c = growing().config;
  c.perLayer = layers;
  c.layers = static_cast<int64_t>(layers.size());
  return randomLlama(c, 7);
}

std::string whyNot(const TestModel& model) {
  Folder folder;
  std::string path = writeGguf(model, folder.path);
  auto source = openModelFiles(path);
  if (!source) return source.error().message.substr(path.size());
  auto good = checkModel(*source);
  return good ? "" : good.error().message.substr(path.size());
}

}  // namespace

TEST_CASE("sizes of each layer that are all the same are the one number", "[layers]") {
  ModelConfig c = smallConfig();
  TestModel one = randomLlama(c, 5), each = one;
  each.config.perLayer.assign(static_cast<size_t>(c.layers), LayerConfig{.heads = 4, .kvHeads = 2, .hidden = 96});
  Folder first, second;
  std::string path = writeGguf(each, second.path);
  ModelSource source = need(openModelFiles(path));
  CHECK_FALSE(source.config.ownSizes());
  CHECK(source.config.perLayer.empty());
  CHECK(source.config.heads == 4);
  std::vector<int32_t> ids = randomIds(20, c.vocab, 1);
  CHECK(bitDifference(allLogits(*loadedModel(writeGguf(one, first.path)), ids), allLogits(*loadedModel(path), ids)) == "");
}

TEST_CASE("layers of their own sizes: each cache is as wide as its layer, and sessions are kept", "[layers]") {
  TestModel model = sized(growing().config.perLayer);
  const ModelConfig& c = model.config;
  Folder folder, other;
  std::string path = writeGguf(model, folder.path), file = folder.path + "/s.qs";
  ModelSource source = need(openModelFiles(path));
  CHECK(source.config.ownSizes());
  CHECK(source.config.heads == 6);
  CHECK(source.config.layer(1).heads == 4);
  CHECK(source.config.layer(1).kvHeads == 2);
  CHECK(source.config.layer(0).hidden == 32);
  auto first = loadedModel(path);
  int64_t kvHeads = 1 + 2 + 3;
  CHECK(first->model().plan()->memory().persistentBytes == c.context * kvHeads * c.headDim() * 2 * 4);
  std::vector<int32_t> ids = randomIds(50, c.vocab, 1), more = randomIds(15, c.vocab, 2);
  allLogits(*first, ids);
  REQUIRE(saveSession(file, *first, {ids, ""}));
  auto second = loadedModel(path);
  CHECK(need(loadSession(file, *second)).ids == ids);
  CHECK(bitDifference(allLogits(*first, more, 50), allLogits(*second, more, 50)) == "");
  // The same largest sizes, in another order.
  std::vector<LayerConfig> turned = c.perLayer;
  std::swap(turned[0], turned[1]);
  auto third = loadedModel(writeGguf(sized(turned), other.path));
  auto refused = loadSession(file, *third);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().message.find("is a session of another model") != std::string::npos);
}

TEST_CASE("sizes of each layer that do not fit are refused by key", "[layers]") {
  auto layer = [](int64_t heads, int64_t kvHeads, int64_t hidden) {
    return LayerConfig{.heads = heads, .kvHeads = kvHeads, .hidden = hidden};
  };
  CHECK(whyNot(sized({layer(4, 2, 64), layer(2, 2, 32)})) == "");
  CHECK(whyNot(sized({layer(4, 2, 64), layer(4, 3, 64)})) == ": layer 1: heads 4 is not a multiple of kv heads 3");
  CHECK(whyNot(sized({layer(4, 2, 64), layer(4, 0, 64)})) == ": 'llama.attention.head_count_kv' is 0 at 1, 1 to 65536 is needed");
  CHECK(whyNot(sized({layer(4, 2, 64), layer(4, 2, 0)})) == ": 'llama.feed_forward_length' is 0 at 1, 1 to 16777216 is needed");
  TestModel deci = sized({layer(4, 2, 64), layer(2, 2, 32)});
  deci.family = "deci";
  CHECK(whyNot(deci) == "");
  TestModel phi = sized({layer(4, 2, 64), layer(4, 2, 32)});
  phi.family = "phi3";
  CHECK(whyNot(phi) == ": 'phi3.feed_forward_length' is an array of different numbers, one number for all layers is needed");
}
