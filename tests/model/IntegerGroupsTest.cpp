// tests/model/IntegerGroupsTest.cpp — folders of GPTQ and AWQ: the bits of the same model with its values in f32, and what is refused.
#include "compiler/base/Files.h"
#include "compiler/base/Half.h"
#include "models/ModelSource.h"
#include "models/files/SafetensorsWriter.h"
#include "tests/model/TestModel.h"

#include <cstring>

using namespace quern;

namespace {

/// How a folder has its linears.
struct Form {
  bool awq = false;
  int64_t group = 128;  ///< -1: all of a column
  bool middle = false;  ///< every zero is 8
  int more = 1;         ///< what is taken off a stored zero
  std::string config;
};

constexpr std::pair<const char*, const char*> kLinears[] = {
    {"attn_q", "self_attn.q_proj"}, {"attn_k", "self_attn.k_proj"}, {"attn_v", "self_attn.v_proj"}, {"attn_output", "self_attn.o_proj"},
    {"ffn_up", "mlp.up_proj"},      {"ffn_gate", "mlp.gate_proj"},  {"ffn_down", "mlp.down_proj"}};

/// Tensors as Hugging Face stores them, by name.
struct Stored {
  TensorType type;
  std::vector<int64_t> shape;
  std::vector<std::byte> bytes;
};
using Tensors = std::map<std::string, Stored>;

template <class T>
Stored storedOf(TensorType type, std::vector<int64_t> shape, const std::vector<T>& values) {
  Stored out{type, std::move(shape), std::vector<std::byte>(values.size() * sizeof(T))};
  std::memcpy(out.bytes.data(), values.data(), out.bytes.size());
  return out;
}

/// Draws codes, zeros and scales, gives the tensor their values and packs them: eight of four bits in a word.
void pack(TestTensor& tensor, const std::string& base, const Form& form, std::mt19937& random, Tensors& to) {
  auto out = static_cast<size_t>(tensor.shape[0]), in = static_cast<size_t>(tensor.shape[1]);
  size_t group = form.group < 0 ? in : static_cast<size_t>(form.group), groups = in / group;
  std::vector<uint32_t> codes((form.awq ? in * out : out * in) / 8), zeros(groups * out / 8);
  std::vector<uint16_t> scales(groups * out);
  constexpr size_t kAwq[] = {0, 2, 4, 6, 1, 3, 5, 7};  // the column that nibble i of a word is of
  auto nibbleOf = [&](size_t n) { return form.awq ? static_cast<size_t>(std::find(kAwq, kAwq + 8, n % 8) - kAwq) : n % 8; };
  for (size_t n = 0; n < out; ++n)
    for (size_t g = 0; g < groups; ++g) {
      uint32_t zero = form.middle ? 8 : static_cast<uint32_t>(form.more) + random() % 16;
      uint16_t scale = halfOfFloat(0.01F * (0.5F + static_cast<float>(random() % 1000) / 1000) * (random() % 5 == 0 ? -1.0F : 1.0F));
      scales[g * out + n] = scale;
      zeros[(g * out + n) / 8] |= (zero - static_cast<uint32_t>(form.more)) << (4 * nibbleOf(n));
      for (size_t k = g * group; k < (g + 1) * group; ++k) {
        uint32_t code = random() % 16;
        if (form.awq) codes[(k * out + n) / 8] |= code << (4 * nibbleOf(n));
        else codes[k / 8 * out + n] |= code << (4 * (k % 8));
        tensor.values[n * in + k] = floatOfHalf(scale) * static_cast<float>(static_cast<int>(code) - static_cast<int>(zero));
      }
    }
  auto o = static_cast<int64_t>(out), i = static_cast<int64_t>(in), g = static_cast<int64_t>(groups);
  to[base + "qweight"] = storedOf(TensorType::I32, form.awq ? std::vector<int64_t>{i, o / 8} : std::vector<int64_t>{i / 8, o}, codes);
  to[base + "qzeros"] = storedOf(TensorType::I32, {g, o / 8}, zeros);
  to[base + "scales"] = storedOf(TensorType::F16, {g, o}, scales);
  if (form.awq) return;
  std::vector<int32_t> order(in);
  for (size_t k = 0; k < in; ++k) order[k] = static_cast<int32_t>(k / group);
  to[base + "g_idx"] = storedOf(TensorType::I32, {i}, order);
}

/// A model whose linears have the values of groups, and all its tensors as a folder of `form` has them.
struct Grouped {
  TestModel model;
  Tensors tensors;
  std::string config;  ///< of the folder

  explicit Grouped(const Form& form) {
    ModelConfig c = smallConfig();
    c.width = 256, c.hidden = 512, c.vocab = 300, c.rope.pairs = RopePairs::Half;
    model = randomLlama(c, 21);
    std::mt19937 random(4);
    for (int layer = 0; layer < c.layers; ++layer)
      for (auto [own, stored] : kLinears)
        pack(model.tensors.at(fmt::format("blk.{}.{}.weight", layer, own)), fmt::format("model.layers.{}.{}.", layer, stored), form, random,
             tensors);
    Folder folder;
    auto files = WeightFiles::open(writeHf(model, folder.path));
    REQUIRE(files);
    for (const FileTensor& tensor : files->tensors())
      if (tensor.name.find("_proj.") == std::string::npos)
        tensors[tensor.name] = {tensor.type, tensor.shape, {tensor.data, tensor.data + tensor.bytes}};
    auto text = readFile(files->configPath());
    REQUIRE(text);
    config = text->substr(0, text->size() - 1) + ", \"quantization_config\": {" + form.config + "}}";
  }

  std::string write(const std::string& folder) const {
    SafetensorsWriter writer;
    for (const auto& [name, tensor] : tensors) writer.tensor(name, tensor.type, tensor.shape, sourceOf(tensor.bytes));
    REQUIRE(writeFileAtomically(folder + "/config.json", config));
    REQUIRE(writer.write(folder + "/model.safetensors"));
    return folder;
  }
  /// "": it opens.
  std::string opens() const {
    Folder folder;
    auto source = openModelFiles(write(folder.path));
    if (source) return "";
    const std::string& said = source.error().message;
    return said.starts_with(folder.path) ? said.substr(folder.path.size()) : said;
  }
};

Form gptq(int64_t group, bool middle, bool second = false) {
  return {false, group, middle, second ? 0 : 1,
          fmt::format(R"("quant_method": "gptq", "bits": 4, "group_size": {}, "desc_act": false, "sym": {}, "damp_percent": 0.01{})", group,
                      middle, second ? R"(, "checkpoint_format": "gptq_v2")" : "")};
}
Form awq(int64_t group) {
  return {
      true, group, false, 0,
      fmt::format(
          R"("quant_method": "awq", "bits": 4, "group_size": {}, "zero_point": true, "version": "gemm", "modules_to_not_convert": null)",
          group)};
}

}  // namespace

TEST_CASE("integers in groups give the bits of their values, whatever folder they come from", "[groups]") {
  std::vector<int32_t> ids = randomIds(9, 300, 3);
  for (const Form& form : {gptq(128, true), gptq(32, false), gptq(64, false, true), gptq(-1, false), awq(128), awq(32)}) {
    INFO(form.config);
    Grouped grouped(form);
    Folder folder, plain;
    std::string path = grouped.write(folder.path);
    auto source = openModelFiles(path);
    REQUIRE(source);
    const int64_t shape[] = {512, 256};
    auto up = source->weights.take("blk.0.ffn_up.weight", shape);
    REQUIRE(up);
    CHECK((*up)->type == (form.middle ? TensorType::Q4_0 : TensorType::Q5_0));
    std::vector<float> expected = allLogits(*loadedModel(writeHf(grouped.model, plain.path)), ids);
    for (int threads : {1, 3}) {
      ModelOptions options;
      options.threads = threads;
      CHECK(bitDifference(allLogits(*loadedModel(path, options), ids), expected) == "");
    }
  }
}

TEST_CASE("integers in groups: scales of bf16 that are halves, and in order g_idx may be missing", "[groups]") {
  Grouped grouped(gptq(64, true));
  for (auto& [name, tensor] : grouped.tensors) {
    if (!name.ends_with(".scales")) continue;
    std::vector<uint16_t> rounded(tensor.bytes.size() / 2, bfloatOfFloat(0.25F));
    tensor = storedOf(TensorType::BF16, tensor.shape, rounded);
  }
  std::erase_if(grouped.tensors, [](const auto& each) { return each.first.ends_with(".g_idx"); });
  CHECK(grouped.opens() == "");
}

TEST_CASE("integers in groups: a packed model knows them as the weights that they are", "[groups]") {
  Grouped grouped(awq(64));
  Folder folder;
  auto source = openModelFiles(grouped.write(folder.path));
  REQUIRE(source);
  auto packed = packModel(std::move(*source), [](const OpDesc& desc) { return kernelsOf(hostTarget()).kernels(desc); }, {});
  REQUIRE(packed);
  int64_t made = 0;
  for (const FileTensor& tensor : packed->tensors) {
    CHECK(tensor.name.ends_with(".weight"));
    if (tensor.name.find("_proj.") == std::string::npos) continue;
    CHECK(tensor.type == TensorType::Q5_0);
    CHECK(tensor.bytes == *tensorBytes(TensorType::Q5_0, tensor.shape));
    ++made;
  }
  CHECK(made == 14);
}

TEST_CASE("integers in groups: other codes, zeros or scales have another sum, and a part of a weight has its rows", "[groups]") {
  const Grouped good(gptq(128, false));
  auto openedAs = [](const Grouped& grouped, const Folder& folder) {
    auto source = openModelFiles(grouped.write(folder.path));
    REQUIRE(source);
    return std::move(*source);
  };
  Folder folder;
  ModelSource source = openedAs(good, folder);
  const std::string name = "model.layers.0.mlp.up_proj.";
  for (const char* part : {"qweight", "qzeros", "scales"}) {
    INFO(part);
    Grouped other = good;
    other.tensors[name + part].bytes.back() ^= std::byte{1};
    Folder own;
    CHECK(openedAs(other, own).weights.sampleSum() != source.weights.sampleSum());
  }
  // Its parts are its rows.
  Weights weights = source.weights;
  const int64_t shape[] = {512, 256}, half[] = {256, 256};
  auto whole = weights.take("blk.0.ffn_up.weight", shape);
  REQUIRE(whole);
  std::vector<std::byte> rows(static_cast<size_t>((*whole)->bytes)), lower(rows.size() / 2);
  (*whole)->made->put(0, 512, rows.data());
  const std::pair<std::string, int64_t> parts[] = {{"a", 256}, {"b", 256}};
  REQUIRE(weights.split("blk.0.ffn_up.weight", parts));
  auto part = weights.take("b", half);
  REQUIRE(part);
  (*part)->made->put(0, 256, lower.data());
  CHECK(std::equal(lower.begin(), lower.end(), rows.begin() + static_cast<std::ptrdiff_t>(lower.size())));
}

TEST_CASE("integers in groups: tensors that do not fit are refused by name", "[groups]") {
  const Grouped good(gptq(64, false));
  const std::string name = "model.layers.0.mlp.up_proj.";
  auto refused = [&](const std::function<void(Tensors&)>& spoil) {
    Grouped other = good;
    spoil(other.tensors);
    return other.opens();
  };
  CHECK(good.opens() == "");
  CHECK(refused([&](Tensors& t) { t.erase(name + "scales"); }) ==
        ": tensor '" + name + "scales' is missing, which goes with '" + name + "qweight'");
  CHECK(refused([&](Tensors& t) { t[name + "qzeros"].type = TensorType::F32; }) == ": tensor '" + name + "qzeros' is f32, i32 is needed");
  CHECK(refused([&](Tensors& t) { t[name + "scales"] = t["model.layers.0.mlp.down_proj.scales"]; }) ==
        ": tensor '" + name + "scales' is [8, 256], [4, 512] is needed beside '" + name + "qweight'");
  CHECK(refused([&](Tensors& t) { t[name + "qweight"].shape = {32 * 512}; }) ==
        ": tensor '" + name + "qweight' is [16384], two dimensions are needed");
  CHECK(refused([&](Tensors& t) { t[name + "qweight"].shape = {16, 1024}; }) ==
        ": tensor '" + name + "qzeros' is [4, 64], [2, 128] is needed beside '" + name + "qweight'");
  CHECK(refused([&](Tensors& t) { t[name + "qweight"].shape = {1, 16384}; }) ==
        ": tensor '" + name + "qweight' is [1, 16384], a weight of 16384 by 8: whole groups of 64 and columns of 8 are needed");
  CHECK(refused([&](Tensors& t) { t[name + "g_idx"].bytes[4 * 70] = std::byte{3}; }) ==
        ": tensor '" + name + "g_idx' has 3 for element 70, 1 is needed: groups in the order of activations (desc_act) are not read");
  CHECK(refused([&](Tensors& t) {
          std::vector<float> scales(4 * 512, 1.0F / 3);
          t[name + "scales"] = storedOf(TensorType::F32, {4, 512}, scales);
        }) == ": tensor '" + name + "scales' has 0.33333334 at [0, 0], which no half is");
  // What no product takes is no weight that is made.
  Grouped table = good;
  for (const char* part : {"qweight", "qzeros", "scales", "g_idx"})
    table.tensors[std::string("model.embed_tokens.") + part] = table.tensors[name + part];
  table.tensors.erase("model.embed_tokens.weight");
  CHECK(table.opens() == "");
  Folder folder;
  auto source = openModelFiles(table.write(folder.path));
  REQUIRE(source);
  source->config.vocab = 512;
  auto model = Session::load(std::move(*source), [](const OpDesc& desc) { return kernelsOf(hostTarget()).kernels(desc); }, {});
  REQUIRE(!model);
}

TEST_CASE("quantization_config: what is not read is refused by name", "[groups]") {
  const Grouped good(gptq(64, true));
  auto refused = [&](const std::string& config) {
    Grouped other = good;
    other.config = good.config.substr(0, good.config.find("\"quantization_config\"")) + "\"quantization_config\": {" + config + "}}";
    return other.opens();
  };
  const std::string file = "/config.json: '";
  for (const char* method : {"bitsandbytes", "fp8", "compressed-tensors", "hqq"})
    CHECK(refused(fmt::format(R"("quant_method": "{}")", method)) ==
          file + "quantization_config' is '" + method +
              "': weights packed so are not read; GPTQ and AWQ of 4 bits, MXFP4, plain *.safetensors and GGUF are");
  CHECK(refused(R"("bits": 4)") == file + "quantization_config.quant_method' is missing; gptq, awq and mxfp4 are read");
  CHECK(refused(R"("quant_method": "gptq", "bits": 8, "group_size": 64)") == file + "quantization_config.bits' is 8, 4 is needed");
  CHECK(refused(R"("quant_method": "gptq", "group_size": 64)") == file + "quantization_config.bits' is missing, 4 is needed");
  CHECK(refused(R"("quant_method": "gptq", "bits": 4, "group_size": 16)") ==
        file + "quantization_config.group_size' is 16, a multiple of 32 is needed, or -1");
  CHECK(refused(R"("quant_method": "gptq", "bits": 4, "group_size": 64, "checkpoint_format": "marlin")") ==
        file + "quantization_config.checkpoint_format' is 'marlin', gptq or gptq_v2 is needed");
  CHECK(refused(R"("quant_method": "awq", "bits": 4, "version": "gemv")") ==
        file + "quantization_config.version' is 'gemv', gemm is needed");
  CHECK(refused(R"("quant_method": "awq", "bits": 4, "zero_point": false)") ==
        file + "quantization_config.zero_point' is false, true is needed");
  CHECK(refused(R"("quant_method": "gptq", "bits": 4, "group_size": 64, "dynamic": {"a": {"bits": 8}})")
            .starts_with(file + "quantization_config.dynamic' is an object, which nothing here heeds"));
}
