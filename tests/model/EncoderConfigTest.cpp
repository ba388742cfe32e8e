// tests/model/EncoderConfigTest.cpp — what an encoder's config.json says of positions, segments and functions.
#include "models/arch/Architecture.h"
#include "tests/tokenizer/Vocabularies.h"

#include <catch2/catch.hpp>

using namespace quern;

TEST_CASE("an encoder's config.json: positions begin behind that of padding where RoBERTa's are, segments and gelu as it says",
          "[encoder]") {
  auto read = [](const char* name, const std::string& more) {
    JsonValue root = need(parseJson({R"({"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4,
      "vocab_size": 61, "max_position_embeddings": 90)" +
                                         more + "}",
                                     "config.json"}));
    const Architecture& bert = *findArchitecture("bert");
    for (const HfName& known : bert.hfNames)
      if (known.name == name) return bert.readHf(JsonFields("config.json", root), root, known);
    return Result<ModelConfig>(badInput(name));
  };
  for (const char* roberta : {"RobertaModel", "XLMRobertaModel"}) {
    auto positions = [&](const std::string& more) {
      ModelConfig c = need(read(roberta, more));
      return std::pair(c.firstPosition, c.context);
    };
    CHECK(positions("") == std::pair<int64_t, int64_t>(2, 88));
    CHECK(positions(R"(, "pad_token_id": 1)") == std::pair<int64_t, int64_t>(2, 88));
    CHECK(positions(R"(, "pad_token_id": 0)") == std::pair<int64_t, int64_t>(1, 89));
    CHECK(positions(R"(, "pad_token_id": 5)") == std::pair<int64_t, int64_t>(6, 84));
    CHECK(read(roberta, R"(, "pad_token_id": 89)").error().message ==
          "config.json: 'max_position_embeddings' is 90, more than 90 is needed");
  }
  ModelConfig c = need(read("BertModel", R"(, "pad_token_id": 3)"));
  CHECK((c.firstPosition == 0 && c.context == 90 && c.segments == 2 && c.gelu == "erf" && c.eps == 1e-12f));
  c = need(read("BertModel", R"(, "type_vocab_size": 0, "hidden_act": "gelu_new", "layer_norm_eps": 1e-5)"));
  CHECK((c.segments == 0 && c.gelu == "tanh" && c.eps == 1e-5f));
  CHECK(read("BertModel", R"(, "position_embedding_type": "relative_key")").error().message ==
        "config.json: 'position_embedding_type' is relative_key, absolute is needed");
  CHECK(read("BertModel", R"(, "hidden_act": "relu")").error().message ==
        "config.json: 'hidden_act' is relu, gelu, gelu_new or gelu_pytorch_tanh is needed");
}
