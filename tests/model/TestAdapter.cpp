// tests/model/TestAdapter.cpp — see TestAdapter.h.
#include "tests/model/TestAdapter.h"

#include "models/files/SafetensorsWriter.h"

#include <cmath>
#include <cstring>

namespace quern {

namespace {

/// Matrix `i` of a stack.
TestTensor oneOf(const TestTensor& stack, int64_t i) {
  int64_t each = stack.shape[1] * stack.shape[2];
  auto begin = stack.values.begin() + i * each;
  return {{stack.shape[1], stack.shape[2]}, std::vector<float>(begin, begin + each), TensorType::F32, {}};
}

/// Element [i, j] of A, which of a table lies [r, vocab] though it is multiplied from the other side.
void addProduct(const TestTensor& up, const TestTensor& down, bool table, double s, std::span<float> to) {
  auto r = static_cast<size_t>(up.shape[1]), out = static_cast<size_t>(up.shape[0]), in = static_cast<size_t>(down.shape[1]);
  for (size_t n = 0; n < out; ++n)
    for (size_t k = 0; k < in; ++k) {
      double sum = 0;
      for (size_t i = 0; i < r; ++i) sum += static_cast<double>(up.values[n * r + i]) * static_cast<double>(down.values[i * in + k]);
      float& value = table ? to[k * out + n] : to[n * in + k];
      value = static_cast<float>(static_cast<double>(value) + s * sum);
    }
}

std::vector<std::byte> bytesOf(const TestTensor& tensor) {
  if (!tensor.raw.empty()) return tensor.raw;
  std::vector<std::byte> bytes(tensor.values.size() * 4);
  std::memcpy(bytes.data(), tensor.values.data(), bytes.size());
  return bytes;
}

TestTensor turned(const TestTensor& from) {
  TestTensor to{{from.shape[1], from.shape[0]}, from.values, TensorType::F32, {}};
  for (int64_t r = 0; r < from.shape[0]; ++r)
    for (int64_t c = 0; c < from.shape[1]; ++c)
      to.values[static_cast<size_t>(c * from.shape[0] + r)] = from.values[static_cast<size_t>(r * from.shape[1] + c)];
  return to;
}

}  // namespace

TestAdapter randomAdapter(const TestModel& model, uint32_t seed, const std::function<bool(const std::string& name)>& wanted) {
  TestAdapter adapter;
  std::mt19937 random(seed);
  for (const auto& [name, tensor] : model.tensors) {
    if (tensor.shape.size() < 2 || name.find("position") != std::string::npos || name.find("token_types") != std::string::npos) continue;
    if (!wanted(name) || name.ends_with(".bias") || name.ends_with("_norm.weight")) continue;
    int64_t r = 2 + static_cast<int64_t>(random() % 3), out = tensor.shape[tensor.shape.size() - 2], in = tensor.shape.back();
    bool table = name == "token_embd.weight";
    if (table) std::swap(out, in);
    std::vector<int64_t> down = {r, in}, up = {out, r};
    if (tensor.shape.size() == 3) down.insert(down.begin(), tensor.shape[0]), up.insert(up.begin(), tensor.shape[0]);
    auto spread = static_cast<float>(table ? 0.5 : std::sqrt(1.0 / static_cast<double>(in)));
    adapter.pairs[name] = {drawnTensor(random, down, 0, double{spread}), drawnTensor(random, up, 0, double{0.1F})};
  }
  return adapter;
}

TestModel merged(const TestModel& model, const TestAdapter& adapter, double scale) {
  TestModel out = model.restored();
  if (adapter.pairs.contains("token_embd.weight") && !model.has("output.weight"))
    out.tensors["output.weight"] = out.at("token_embd.weight"), out.config.tied = false;
  for (const auto& [name, pair] : adapter.pairs) {
    double s = scale * adapter.alpha / static_cast<double>(pair.up.shape.back());
    std::span<float> to = out.tensors[name].values;
    bool table = name == "token_embd.weight";
    if (pair.up.shape.size() == 2) {
      addProduct(pair.up, pair.down, table, s, to);
      continue;
    }
    size_t each = to.size() / static_cast<size_t>(pair.up.shape[0]);
    for (int64_t i = 0; i < pair.up.shape[0]; ++i)
      addProduct(oneOf(pair.up, i), oneOf(pair.down, i), false, s, to.subspan(static_cast<size_t>(i) * each, each));
  }
  return out;
}

std::string writeGgufAdapter(const TestModel& model, const TestAdapter& adapter, const std::string& folder) {
  GgufWriter writer;
  writer.string("general.architecture", model.family);
  writer.string("general.type", "adapter");
  writer.string("adapter.type", "lora");
  writer.f32("adapter.lora.alpha", static_cast<float>(adapter.alpha));
  std::vector<std::vector<std::byte>> bytes;
  bytes.reserve(2 * adapter.pairs.size());
  for (const auto& [name, pair] : adapter.pairs) {
    const TestTensor down = name == "token_embd.weight" ? turned(pair.down) : pair.down;
    for (const auto& [ending, half] : {std::pair(".lora_a", &down), std::pair(".lora_b", &pair.up)}) {
      bytes.push_back(bytesOf(*half));
      writer.tensor(name + ending, half->type, half->shape, sourceOf(bytes.back()));
    }
  }
  std::string path = folder + "/adapter.gguf";
  REQUIRE(writer.write(path));
  return path;
}

std::string writePeft(const TestModel& model, const TestAdapter& adapter, const std::string& folder, const std::string& more) {
  int64_t r = adapter.pairs.empty() ? 3 : adapter.pairs.begin()->second.up.shape.back();
  std::string others;
  for (const auto& [name, pair] : adapter.pairs)
    if (int64_t own = pair.up.shape.back(); own != r) others += fmt::format(R"({}"{}": {})", others.empty() ? "" : ", ", name, own);
  if (adapter.said != 0) r = adapter.said, others.clear();
  if (!others.empty()) others = fmt::format(R"(, "rank_pattern": {{{}}})", others);
  REQUIRE(writeFileAtomically(folder + "/adapter_config.json",
                              fmt::format(R"({{"peft_type": "LORA", "task_type": "CAUSAL_LM", "r": {}, "lora_alpha": {}, "bias": "none", )"
                                          R"("target_modules": ["q_proj"], "lora_dropout": 0.1, "use_dora": false{}{}}})",
                                          r, adapter.alpha, others, more)));
  SafetensorsWriter writer;
  std::vector<std::vector<std::byte>> bytes;
  bytes.reserve(1000);
  auto half = [&](const std::string& name, const TestTensor& tensor) {
    bytes.push_back(bytesOf(tensor));
    writer.tensor(name, tensor.type, tensor.shape, sourceOf(bytes.back()));
  };
  auto both = [&](const std::string& own, const TestAdapter::Pair& pair) {
    std::string stored = hfNameIn(model, own), module = "base_model.model." + stored.substr(0, stored.rfind('.'));
    bool table = own == "token_embd.weight";
    half(module + (table ? ".lora_embedding_A" : ".lora_A.weight"), pair.down);
    half(module + (table ? ".lora_embedding_B" : ".lora_B.weight"), hfRows(model, own, pair.up));
  };
  for (const auto& [name, pair] : adapter.pairs) {
    if (pair.up.shape.size() == 2) both(name, pair);
    for (int64_t i = 0; pair.up.shape.size() == 3 && i < pair.up.shape[0]; ++i)
      both(fmt::format("{}.{}.weight", name.substr(0, name.rfind('.')), i), {oneOf(pair.down, i), oneOf(pair.up, i)});
  }
  REQUIRE(writer.write(folder + "/adapter_model.safetensors"));
  return folder;
}

}  // namespace quern
