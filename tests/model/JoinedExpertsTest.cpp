// tests/model/JoinedExpertsTest.cpp — experts that gpt-oss's folders keep in turn, in blocks of MXFP4 or transposed: the bits of the same
// model from GGUF, and what is refused.
#include "compiler/base/Files.h"
#include "models/ModelSource.h"
#include "models/files/SafetensorsWriter.h"
#include "tests/model/TestFamilies.h"

#include <algorithm>
#include <cstring>

using namespace quern;

namespace {

/// gpt-oss with experts of `type`.
TestFamily gptOss(TensorType type) {
  for (TestFamily& family : testFamilies())
    if (std::string_view(family.name) == "gpt-oss") {
      for (auto& [name, tensor] : family.model.tensors)
        if (name.find("_exps.weight") != std::string::npos) tensor.store(type);
      if (type == TensorType::MXFP4)
        family.hf.more += R"(, "quantization_config": {"quant_method": "mxfp4", "modules_to_not_convert": ["model.layers.*.self_attn"]})";
      return std::move(family);
    }
  FAIL("no gpt-oss among the families");
  return {};
}

std::string messageOf(const std::string& folder) {
  auto source = openModelFiles(folder);
  if (!source) return source.error().message.substr(folder.size());
  auto good = checkModel(*source);
  return good ? "" : good.error().message.substr(folder.size());
}

/// What is said of a folder of MXFP4 in which one tensor is another.
std::string refusal(const std::string& name, const std::function<void(FileTensor&)>& spoil) {
  TestFamily family = gptOss(TensorType::MXFP4);
  Folder folder;
  auto files = WeightFiles::open(writeHf(family.model, folder.path, family.hf));
  REQUIRE(files);
  Folder other;
  SafetensorsWriter writer;
  bool found = false;
  for (FileTensor tensor : files->tensors()) {
    bool named = tensor.name == name;
    found = found || named;
    if (named) spoil(tensor);
    if (!tensor.name.empty())
      writer.tensor(tensor.name, tensor.type, tensor.shape, sourceOf(std::span(tensor.data, static_cast<size_t>(tensor.bytes))));
  }
  REQUIRE(found);
  REQUIRE(writer.write(other.path + "/model.safetensors"));
  auto config = readFile(files->configPath());
  REQUIRE(config);
  REQUIRE(writeFileAtomically(other.path + "/config.json", *config));
  return messageOf(other.path);
}

}  // namespace

TEST_CASE("experts of gpt-oss's folders have the bits of those from GGUF, and their type", "[joined]") {
  std::vector<int32_t> ids = randomIds(40, smallConfig().vocab, 3);
  for (TensorType type : {TensorType::MXFP4, TensorType::BF16, TensorType::F16, TensorType::F32}) {
    INFO(nameOf(type));
    TestFamily family = gptOss(type);
    const ModelConfig& c = family.model.config;
    Folder file, folder;
    std::vector<float> right = allLogits(*loadedModel(writeGguf(family.model, file.path)), ids);
    std::string path = writeHf(family.model, folder.path, family.hf);
    for (int threads : {1, 3}) {
      ModelOptions options;
      options.threads = threads;
      CHECK(bitDifference(allLogits(*loadedModel(path, options), ids), right) == "");
    }
    auto source = openModelFiles(path);
    REQUIRE(source);
    const int64_t shape[] = {c.experts, c.expertHidden, c.width};
    auto up = source->weights.take("blk.1.ffn_up_exps.weight", shape);
    REQUIRE(up);
    CHECK((*up)->type == type);
  }
}

TEST_CASE("experts of gpt-oss's folders: a packed model knows the whole weights, and what they were made of", "[joined]") {
  TestFamily family = gptOss(TensorType::MXFP4);
  const ModelConfig& c = family.model.config;
  Folder folder;
  auto source = openModelFiles(writeHf(family.model, folder.path, family.hf));
  REQUIRE(source);
  auto packed = packModel(std::move(*source), [](const OpDesc& desc) { return kernelsOf(hostTarget()).kernels(desc); }, {});
  REQUIRE(packed);
  int64_t made = 0;
  for (const FileTensor& tensor : packed->tensors) {
    if (tensor.name.find("mlp.experts.") == std::string::npos) continue;
    CHECK(tensor.type == TensorType::MXFP4);
    CHECK(tensor.shape.size() == 3);
    CHECK(tensor.shape[0] == c.experts);
    CHECK(tensor.bytes == *tensorBytes(TensorType::MXFP4, tensor.shape));
    ++made;
  }
  CHECK(made == 3 * c.layers);
  for (const char* part : {"gate_up_proj_blocks", "gate_up_proj_scales", "down_proj_blocks", "down_proj_scales"})
    CHECK(std::count(packed->parts.begin(), packed->parts.end(), fmt::format("model.layers.1.mlp.experts.{}", part)) >= 1);
}

TEST_CASE("experts of gpt-oss's folders: tensors that do not fit are refused by name", "[joined]") {
  const std::string base = "model.layers.0.mlp.experts.", name = base + "gate_up_proj";
  auto nothing = [](FileTensor& tensor) { tensor.name.clear(); };
  auto shaped = [](std::vector<int64_t> shape) { return [shape](FileTensor& tensor) { tensor.shape = shape; }; };
  CHECK(refusal(name + "_blocks", [](FileTensor&) {}) == "");
  CHECK(refusal(name + "_scales", nothing) == ": tensor '" + name + "_scales' is missing, which goes with '" + name + "_blocks'");
  CHECK(refusal(name + "_blocks", nothing) == ": tensor '" + name + "_blocks' is missing, which goes with '" + name + "_scales'");
  CHECK(refusal(name + "_blocks", shaped({6, 128, 32})) ==
        ": tensor '" + name + "_blocks' is [6, 128, 32] of u8, u8 of [experts, rows, in / 32, 16] is needed");
  CHECK(refusal(name + "_blocks", shaped({6, 64, 4, 16})) ==
        ": tensor '" + name + "_scales' is [6, 128, 2] of u8, u8 of [6, 64, 4] is needed");
  CHECK(refusal(name + "_blocks", [](FileTensor& tensor) { tensor.type = TensorType::I8; }) ==
        ": tensor '" + name + "_blocks' is [6, 128, 2, 16] of i8, u8 of [experts, rows, in / 32, 16] is needed");
  CHECK(refusal(name + "_bias", shaped({2, 3, 128})) == ": tensor '" + name + "_bias' is [2, 3, 128] of f32, [experts, rows] is needed");
  CHECK(refusal(name + "_bias", shaped({256, 3})) == ": tensor '" + name + "_bias' is [256, 3] of f32, a multiple of 2 rows is needed");
  CHECK(refusal(name + "_bias", shaped({3, 256})) ==
        ": tensor 'model.layers.0.mlp.experts.gate_proj.bias' is [3, 128], a first extent of 6 is needed");
  CHECK(refusal(base + "down_proj_bias", nothing) == "");
  CHECK(refusal(base + "down_proj_bias", [](FileTensor& tensor) { tensor.name = "model.layers.0.mlp.experts.down_bias"; }) ==
        ": a tensor that the architecture has no use for: model.layers.0.mlp.experts.down_bias");
}

TEST_CASE("gpt-oss's config.json: what is not built is refused by name", "[joined]") {
  TestFamily family = gptOss(TensorType::F32);
  auto said = [&](const char* from, const char* to) {
    TestFamily other = family;
    size_t at = other.hf.more.find(from);
    REQUIRE(at != std::string::npos);
    other.hf.more.replace(at, std::string_view(from).size(), to);
    Folder folder;
    return messageOf(writeHf(other.model, folder.path, other.hf));
  };
  CHECK(said("\"swiglu_limit\": 7.0", "\"swiglu_limit\": 8.0") == "/config.json: 'swiglu_limit' is 8, 7 is needed");
  CHECK(said("\"swiglu_limit\": 7.0", "\"swiglu_alpha\": 1.5") == "/config.json: 'swiglu_alpha' is 1.5, 1.702 is needed");
  CHECK(said("\"experts_per_token\": 3", "\"experts_per_token\": 2") ==
        "/config.json: 'experts_per_token' is 2, 3, as 'num_experts_per_tok' says, is needed");
  CHECK(said("\"rope_scaling\"", "\"_rope_scaling\"") == "/config.json: 'rope_scaling' is missing, an object or null is needed");
  CHECK(said("\"sliding_window\": 20", "\"layer_types\": [\"full_attention\"]") ==
        "/config.json: 'layer_types' is a list of 1, a list of 2, one of each layer, is needed");
}

TEST_CASE("a weight that is made of others is cut like one that lies there", "[joined]") {
  Weights weights("made");
  MadeRows rows{[](int64_t first, int64_t count, std::byte* to) {
                  for (int64_t i = first * 3; i < (first + count) * 3; ++i) {
                    auto value = static_cast<float>(i);
                    std::memcpy(to + (i - first * 3) * 4, &value, 4);
                  }
                },
                {}};
  weights.replace("stack", TensorType::F32, {4, 2, 3}, rows);  // four of [2, 3]
  REQUIRE(weights.split("stack", std::vector<std::pair<std::string, int64_t>>{{"one", 1}, {"three", 3}}));
  REQUIRE(weights.split("three", std::vector<std::pair<std::string, int64_t>>{{"next", 1}, {"two", 2}}));
  REQUIRE(weights.split("one", std::vector<std::pair<std::string, int64_t>>{{"upper", 1}, {"lower", 1}}));
  auto firstOf = [&](const char* name, std::vector<int64_t> shape, int64_t row) {
    auto weight = weights.take(name, shape);
    REQUIRE(weight);
    CHECK((*weight)->bytes == *elementsOf(shape) * 4);
    CHECK((*weight)->made->shape == std::vector<int64_t>{4, 2, 3});
    float values[3];
    (*weight)->made->put(row, 1, reinterpret_cast<std::byte*>(values));
    return values[0];
  };
  CHECK(firstOf("upper", {3}, 0) == 0);
  CHECK(firstOf("lower", {3}, 0) == 3);
  CHECK(firstOf("next", {2, 3}, 1) == 9);
  CHECK(firstOf("two", {2, 2, 3}, 0) == 12);
  CHECK(firstOf("two", {2, 2, 3}, 3) == 21);
}
