// tests/model/TestModel.cpp — see TestModel.h; files are written in TestModelFiles.cpp.
#include "tests/model/TestModel.h"

#include "compiler/op/BlockFormat.h"
#include "models/files/WeightValues.h"

#include <cmath>
#include <cstring>

namespace quern {

TestTensor drawnTensor(std::mt19937& random, std::vector<int64_t> shape, double middle, double spread, uint64_t values) {
  TestTensor tensor{std::move(shape), {}, TensorType::F32, {}};
  tensor.values.resize(static_cast<size_t>(*elementsOf(tensor.shape)));
  double half = static_cast<double>(values) / 2;
  for (float& each : tensor.values)
    each = static_cast<float>(middle) + static_cast<float>(spread * (static_cast<double>(random() % values) / half - 1));
  return tensor;
}

static void drawn(TestModel& model, std::mt19937& random, const std::string& name, std::vector<int64_t> shape, double middle,
                  double spread) {
  model.tensors[name] = drawnTensor(random, std::move(shape), middle, spread, uint64_t{1} << 32);
}

std::vector<TensorType> blockTypes() {
  std::vector<TensorType> all;
  for (const BlockFormat& each : blockFormats()) all.push_back(*typeOfName(text(each.type)));
  return all;
}

void TestTensor::store(TensorType to) {
  restore();
  if (to == TensorType::F32) return;
  auto count = static_cast<int64_t>(values.size());
  raw.resize(static_cast<size_t>(*tensorBytes(to, shape)));
  auto made = fromFloats(to, values.data(), count, raw.data());
  REQUIRE(made);
  type = to;
  auto read = toFloats(to, raw.data(), count, values.data());
  REQUIRE(read);
}

void TestTensor::restore() {
  type = TensorType::F32;
  raw.clear();
}

void TestModel::storeMatrices(TensorType type) {
  for (auto& [name, tensor] : tensors)
    if (tensor.shape.size() == 2) tensor.store(type);
}

TestModel TestModel::restored() const {
  TestModel copy = *this;
  for (auto& [name, tensor] : copy.tensors) tensor.restore();
  return copy;
}

ModelConfig smallConfig() {
  ModelConfig c;
  c.architecture = "llama";
  c.vocab = 61;
  c.context = 160;
  c.width = 64;
  c.layers = 2;
  c.heads = 4;
  c.kvHeads = 2;
  c.hidden = 96;
  c.rope.pairs = RopePairs::Adjacent;
  return c;
}

TestModel randomLlama(const ModelConfig& c, uint32_t seed, bool biased) {
  TestModel model{"llama", c, {}};
  std::mt19937 random(seed);
  auto matrix = [&](const std::string& name, int64_t out, int64_t in) {
    drawn(model, random, name, {out, in}, 0, std::sqrt(3.0 / static_cast<double>(in)));
  };
  auto gain = [&](const std::string& name) { drawn(model, random, name, {c.width}, 1, 0.25); };
  drawn(model, random, "token_embd.weight", {c.vocab, c.width}, 0, 1);
  if (!c.tied) matrix("output.weight", c.vocab, c.width);
  gain("output_norm.weight");
  for (int64_t i = 0; i < c.layers; ++i) {
    std::string blk = fmt::format("blk.{}.", i);
    LayerConfig own = c.layer(i);
    int64_t q = own.heads * c.headDim(), kv = own.kvHeads * c.headDim();
    if (own.heads > 0) gain(blk + "attn_norm.weight");
    if (own.hidden > 0) gain(blk + "ffn_norm.weight");
    if (own.heads > 0 && kv > 0) {
      matrix(blk + "attn_q.weight", q, c.width);
      matrix(blk + "attn_k.weight", kv, c.width);
      matrix(blk + "attn_v.weight", kv, c.width);
    }
    if (own.heads > 0) matrix(blk + "attn_output.weight", c.width, kv > 0 ? q : c.width);
    if (own.hidden > 0) {
      matrix(blk + "ffn_gate.weight", own.hidden, c.width);
      matrix(blk + "ffn_up.weight", own.hidden, c.width);
      matrix(blk + "ffn_down.weight", c.width, own.hidden);
    }
    if (!biased) continue;
    for (auto [name, width] : {std::pair{"attn_q.bias", q}, {"attn_k.bias", kv}, {"attn_v.bias", kv}})
      drawn(model, random, blk + name, {width}, 0, 0.5);
  }
  return model;
}

TestModel randomGpt2(const ModelConfig& c, uint32_t seed) {
  TestModel model{"gpt2", c, {}};
  std::mt19937 random(seed);
  auto linear = [&](const std::string& name, int64_t out, int64_t in) {
    drawn(model, random, name + ".weight", {out, in}, 0, std::sqrt(3.0 / static_cast<double>(in)));
    drawn(model, random, name + ".bias", {out}, 0, 0.25);
  };
  auto norm = [&](const std::string& name) {
    drawn(model, random, name + ".weight", {c.width}, 1, 0.25);
    drawn(model, random, name + ".bias", {c.width}, 0, 0.25);
  };
  drawn(model, random, "token_embd.weight", {c.vocab, c.width}, 0, 1);
  drawn(model, random, "position_embd.weight", {c.context, c.width}, 0, 0.5);
  if (!c.tied) drawn(model, random, "output.weight", {c.vocab, c.width}, 0, std::sqrt(3.0 / static_cast<double>(c.width)));
  norm("output_norm");
  for (int64_t i = 0; i < c.layers; ++i) {
    std::string blk = fmt::format("blk.{}.", i);
    norm(blk + "attn_norm");
    norm(blk + "ffn_norm");
    linear(blk + "attn_qkv", 3 * c.width, c.width);
    linear(blk + "attn_output", c.width, c.width);
    linear(blk + "ffn_up", c.hidden, c.width);
    linear(blk + "ffn_down", c.width, c.hidden);
  }
  return model;
}

TestModel readModel(const std::string& path, const std::string& family) {
  ModelSource source = need(openModelFiles(path));
  TestModel model{family, source.config, {}};
  for (const FileTensor& from : source.files->tensors()) {
    TestTensor tensor{from.shape, std::vector<float>(static_cast<size_t>(from.elements())), TensorType::F32, {}};
    auto read = toFloats(from.type, from.data, from.elements(), tensor.values.data());
    REQUIRE(read);
    model.tensors[from.name] = std::move(tensor);
  }
  return model;
}

KernelLibrary& kernelsOf(const Target& target) {
  static std::map<std::string, std::unique_ptr<KernelLibrary>> known;
  auto& library = known[target.name];
  if (library == nullptr) library = std::make_unique<KernelLibrary>(target, std::vector<std::string>{});
  return *library;
}

std::unique_ptr<Session> loadedModel(const std::string& path, const ModelOptions& options, const Target& target) {
  KernelLibrary& library = kernelsOf(target);
  return need(Session::load(need(openModelFiles(path)), [&library](const OpDesc& desc) { return library.kernels(desc); }, options));
}

std::vector<float> allLogits(Session& model, std::span<const int32_t> ids, int64_t past) {
  std::vector<float> logits(ids.size() * static_cast<size_t>(model.config().vocab));
  auto good = model.forward(ids, past, static_cast<int64_t>(ids.size()), logits.data());
  INFO((good ? "" : good.error().message));
  REQUIRE(good);
  return logits;
}

std::vector<int32_t> randomIds(size_t count, int64_t vocab, uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<int32_t> ids(count);
  for (int32_t& id : ids) id = static_cast<int32_t>(random() % static_cast<uint32_t>(vocab));
  return ids;
}

std::string bitDifference(std::span<const float> a, std::span<const float> b) {
  if (a.size() != b.size()) return fmt::format("{} and {} values", a.size(), b.size());
  size_t differ = 0, first = 0;
  double most = 0;
  for (size_t i = a.size(); i-- > 0;) {
    if (std::memcmp(&a[i], &b[i], 4) == 0) continue;
    ++differ;
    first = i;
    most = std::max(most, std::fabs(double{a[i]} - b[i]));
  }
  return differ == 0
             ? ""
             : fmt::format("{} of {} differ, by at most {}; first {}: {} and {}", differ, a.size(), most, first, a[first], b[first]);
}

std::vector<int32_t> greedyIds(Session& model, std::vector<int32_t> prompt, size_t count) {
  auto vocab = static_cast<size_t>(model.config().vocab);
  std::vector<float> logits(vocab);
  std::vector<int32_t> made;
  auto past = static_cast<int64_t>(prompt.size());
  REQUIRE(model.forward(prompt, 0, 1, logits.data()));
  while (made.size() < count) {
    made.push_back(static_cast<int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin()));
    if (made.size() < count) REQUIRE(model.forward(std::span(made).last(1), past++, 1, logits.data()));
  }
  return made;
}

}  // namespace quern
