// tests/model/EncoderTest.cpp — encoders against a forward in double of each text by itself; a text's bits whatever it goes with.
#include "models/Adapter.h"
#include "models/TextEncoder.h"
#include "tests/model/TestAdapter.h"

#include <algorithm>
#include <cmath>
#include <numbers>

using namespace quern;

namespace {

using Vec = std::vector<double>;

/// BERT as its authors describe it, a text at a time.
class Reference {
public:
  explicit Reference(const TestModel& model) : model_(model), c_(model.config) {}

  /// The rows of a text.
  std::vector<Vec> rows(const std::vector<int32_t>& ids) const {
    std::vector<Vec> x;
    for (size_t i = 0; i < ids.size(); ++i) {
      Vec row = sum(tableRow("token_embd.weight", static_cast<size_t>(ids[i])),
                    tableRow("position_embd.weight", i + static_cast<size_t>(c_.firstPosition)));
      if (c_.segments > 0) row = sum(row, tableRow("token_types.weight", 0));
      x.push_back(norm("token_embd_norm", row));
    }
    for (int64_t layer = 0; layer < c_.layers; ++layer) {
      std::string blk = "blk." + std::to_string(layer) + ".";
      std::vector<Vec> q, k, v;
      for (const Vec& row : x) {
        q.push_back(linear(blk + "attn_q", row));
        k.push_back(linear(blk + "attn_k", row));
        v.push_back(linear(blk + "attn_v", row));
      }
      for (size_t i = 0; i < x.size(); ++i) {
        Vec y = norm(blk + "attn_output_norm", sum(x[i], linear(blk + "attn_output", attended(q[i], k, v))));
        Vec inner = linear(blk + "ffn_up", y);
        for (double& each : inner) each *= 0.5 * std::erfc(-each / std::numbers::sqrt2);
        x[i] = norm(blk + "layer_output_norm", sum(y, linear(blk + "ffn_down", inner)));
      }
    }
    return x;
  }

private:
  static Vec sum(Vec a, const Vec& b) {
    for (size_t i = 0; i < a.size(); ++i) a[i] += b[i];
    return a;
  }
  Vec tableRow(const std::string& name, size_t row) const {
    const std::vector<float>& values = model_.at(name).values;
    auto width = static_cast<size_t>(c_.width);
    return {values.begin() + static_cast<std::ptrdiff_t>(row * width), values.begin() + static_cast<std::ptrdiff_t>((row + 1) * width)};
  }
  Vec linear(const std::string& name, const Vec& x) const {
    const TestTensor &w = model_.at(name + ".weight"), &bias = model_.at(name + ".bias");
    Vec out(bias.values.begin(), bias.values.end());
    for (size_t i = 0; i < out.size(); ++i)
      for (size_t d = 0; d < x.size(); ++d) out[i] += double{w.values[i * x.size() + d]} * x[d];
    return out;
  }
  Vec norm(const std::string& name, const Vec& x) const {
    double mean = 0, square = 0;
    for (double each : x) mean += each / static_cast<double>(x.size());
    for (double each : x) square += (each - mean) * (each - mean) / static_cast<double>(x.size());
    Vec out;
    for (size_t i = 0; i < x.size(); ++i)
      out.push_back((x[i] - mean) / std::sqrt(square + double{c_.eps}) * double{model_.at(name + ".weight").values[i]} +
                    double{model_.at(name + ".bias").values[i]});
    return out;
  }
  Vec attended(const Vec& q, const std::vector<Vec>& k, const std::vector<Vec>& v) const {
    auto size = static_cast<size_t>(c_.headDim());
    Vec out(q.size());
    for (size_t from = 0; from < q.size(); from += size) {
      Vec p;
      double total = 0;
      for (const Vec& key : k) {
        double s = 0;
        for (size_t i = from; i < from + size; ++i) s += q[i] * key[i];
        p.push_back(std::exp(s / std::sqrt(static_cast<double>(size))));
        total += p.back();
      }
      for (size_t j = 0; j < p.size(); ++j)
        for (size_t i = from; i < from + size; ++i) out[i] += p[j] / total * v[j][i];
    }
    return out;
  }

  const TestModel& model_;
  const ModelConfig& c_;
};

/// Of the right names and shapes; `firstPosition`: as RoBERTa counts.
TestModel randomBert(int64_t firstPosition, Pooling pooling) {
  ModelConfig c = smallConfig();
  c.architecture = "bert";
  c.encoder = true;
  c.kvHeads = 0;
  c.rope.pairs = RopePairs::Half;  // nothing is turned
  c.context = 90;
  c.segments = 2;
  c.eps = 1e-12f;
  c.firstPosition = firstPosition;
  c.pooling = pooling;
  TestModel model{"bert", c, {}};
  std::mt19937 random(410);
  auto drawn = [&](const std::string& name, std::vector<int64_t> shape, float middle, float spread) {
    model.tensors[name] = drawnTensor(random, std::move(shape), double{middle}, double{spread});
  };
  auto linear = [&](const std::string& name, int64_t out, int64_t in) {
    drawn(name + ".weight", {out, in}, 0, 2 * std::sqrt(3.0f / static_cast<float>(in)));
    drawn(name + ".bias", {out}, 0, 0.5f);
  };
  auto norm = [&](const std::string& name) {
    drawn(name + ".weight", {c.width}, 1, 0.5f);
    drawn(name + ".bias", {c.width}, 0, 0.25f);
  };
  drawn("token_embd.weight", {c.vocab, c.width}, 0, 1);
  drawn("position_embd.weight", {c.context + firstPosition, c.width}, 0, 0.5f);
  drawn("token_types.weight", {2, c.width}, 0, 0.5f);
  norm("token_embd_norm");
  for (int64_t i = 0; i < c.layers; ++i) {
    std::string blk = fmt::format("blk.{}.", i);
    for (const char* name : {"attn_q", "attn_k", "attn_v", "attn_output"}) linear(blk + name, c.width, c.width);
    linear(blk + "ffn_up", c.hidden, c.width);
    linear(blk + "ffn_down", c.width, c.hidden);
    norm(blk + "attn_output_norm");
    norm(blk + "layer_output_norm");
  }
  return model;
}

std::unique_ptr<TextEncoder> encoderAt(const std::string& path, int64_t chunk, int threads, const Target& target = hostTarget()) {
  KernelLibrary& library = kernelsOf(target);
  ModelOptions options;
  options.chunk = chunk;
  auto model = need(Model::load(need(openModelFiles(path)), [&library](const OpDesc& desc) { return library.kernels(desc); }, options));
  return need(TextEncoder::make(model, threads));
}

std::vector<std::vector<int32_t>> someTexts(size_t count, int64_t vocab) {
  std::vector<std::vector<int32_t>> texts;
  for (size_t i = 0; i < count; ++i) texts.push_back(randomIds(1 + i * 37 % 90, vocab, static_cast<uint32_t>(420 + i)));
  return texts;
}

std::vector<float> vectorsOf(TextEncoder& encoder, std::span<const std::vector<int32_t>> texts, bool normalised) {
  std::vector<float> vectors(texts.size() * static_cast<size_t>(encoder.model().config().width));
  CHECK(need(encoder.encode(texts, normalised, vectors.data())) == texts.size());
  return vectors;
}

/// 1 - cosine, and the worst difference over the largest number.
void checkNear(std::span<const float> vector, const Vec& exact) {
  double both = 0, own = 0, theirs = 0, worst = 0, largest = 0;
  for (size_t i = 0; i < exact.size(); ++i) {
    both += double{vector[i]} * exact[i], own += double{vector[i]} * double{vector[i]}, theirs += exact[i] * exact[i];
    worst = std::max(worst, std::fabs(double{vector[i]} - exact[i])), largest = std::max(largest, std::fabs(exact[i]));
  }
  CHECK(1 - both / std::sqrt(own * theirs) < 1e-10);
  CHECK(worst < 3e-6 * largest);
}

}  // namespace

TEST_CASE("BERT: vectors are those of each text by itself, in double, by both poolings, from both kinds of file", "[encoder]") {
  for (auto [first, pooling] : {std::pair<int64_t, Pooling>{0, Pooling::Mean}, {0, Pooling::First}, {2, Pooling::Mean}}) {
    TestModel model = randomBert(first, pooling);
    Reference reference(model);
    auto texts = someTexts(7, model.config.vocab);
    Folder folder;
    std::string path = first == 0 ? writeGguf(model, folder.path) : writeHf(model, folder.path, {.architecture = "XLMRobertaModel"});
    for (const Target& target : runnableLevels()) {
      INFO(target.name);
      std::unique_ptr<TextEncoder> encoder = encoderAt(path, 128, 2, target);
      for (bool normalised : {false, true}) {
        std::vector<float> vectors = vectorsOf(*encoder, texts, normalised);
        for (size_t i = 0; i < texts.size(); ++i) {
          std::vector<Vec> rows = reference.rows(texts[i]);
          size_t pooled = pooling == Pooling::First ? 1 : rows.size();
          Vec exact(static_cast<size_t>(model.config.width));
          double size = 0;
          for (size_t d = 0; d < exact.size(); ++d) {
            for (size_t r = 0; r < pooled; ++r) exact[d] += rows[r][d] / static_cast<double>(pooled);
            size += exact[d] * exact[d];
          }
          for (double& each : exact) each /= normalised ? std::sqrt(size) : 1;
          checkNear(std::span(vectors).subspan(i * exact.size(), exact.size()), exact);
        }
      }
    }
  }
}

TEST_CASE("BERT with an adapter: the vectors of the weights that it makes", "[encoder]") {
  TestModel model = randomBert(0, Pooling::First);
  TestAdapter adapter = randomAdapter(model, 411, [](const std::string&) { return true; });
  TestModel whole = merged(model, adapter);
  whole.tensors.erase("output.weight");
  Reference reference(whole);
  auto texts = someTexts(5, model.config.vocab);
  Folder file, peft;
  ModelSource source = need(openModelFiles(writeGguf(model, file.path)));
  REQUIRE(addAdapter(source, {writePeft(model, adapter, peft.path), 1}));
  KernelLibrary& library = kernelsOf(hostTarget());
  auto loaded = need(Model::load(std::move(source), [&library](const OpDesc& desc) { return library.kernels(desc); }, {}));
  std::vector<float> vectors = vectorsOf(*need(TextEncoder::make(loaded, 2)), texts, false);
  for (size_t i = 0; i < texts.size(); ++i) checkNear(std::span(vectors).subspan(i * 64, 64), reference.rows(texts[i])[0]);
}

TEST_CASE("BERT: a text has the same bits alone, in any company, on 1, 2 and 3 threads", "[encoder]") {
  TestModel model = randomBert(0, Pooling::Mean);
  Folder folder;
  std::string path = writeGguf(model, folder.path);
  auto texts = someTexts(12, model.config.vocab);
  std::unique_ptr<TextEncoder> encoder = encoderAt(path, 128, 1);
  std::vector<float> alone;
  for (const auto& text : texts)
    for (float each : vectorsOf(*encoder, std::span(&text, 1), true)) alone.push_back(each);
  for (int64_t chunk : {90, 300, 2000})
    for (int threads : {1, 2, 3}) {
      INFO("chunks of " << chunk << ", " << threads << " threads");
      CHECK(bitDifference(alone, vectorsOf(*encoderAt(path, chunk, threads), texts, true)) == "");
    }
}

TEST_CASE("BERT: who asks to stop has the first texts, whoever made them", "[encoder]") {
  TestModel model = randomBert(0, Pooling::Mean);
  Folder folder;
  std::string path = writeGguf(model, folder.path);
  auto texts = someTexts(40, model.config.vocab);
  std::vector<float> all = vectorsOf(*encoderAt(path, 90, 1), texts, true);
  auto width = static_cast<size_t>(model.config.width);
  for (int threads : {1, 2, 3})
    for (size_t chunks : {size_t{1}, size_t{3}, texts.size()}) {
      INFO(threads << " threads, stopped behind " << chunks << " chunks");
      std::unique_ptr<TextEncoder> encoder = encoderAt(path, 90, threads);
      for (int again = 0; again < 2; ++again) {
        std::vector<float> vectors(texts.size() * width, 7.0f);
        std::vector<size_t> told;
        size_t done = need(encoder->encode(texts, true, vectors.data(), [&](size_t so) {
          told.push_back(so);
          return told.size() < chunks;
        }));
        CHECK(std::adjacent_find(told.begin(), told.end(), std::greater_equal<>()) == told.end());
        // Those that were on their way are finished.
        bool whole = told.size() < chunks;
        CHECK((whole ? done == texts.size() : done >= told.back() && done < texts.size()));
        CHECK(told.size() <= chunks);
        CHECK(std::equal(vectors.begin(), vectors.begin() + static_cast<std::ptrdiff_t>(done * width), all.begin()));
        CHECK(std::all_of(vectors.begin() + static_cast<std::ptrdiff_t>(done * width), vectors.end(), [](float x) { return x == 7.0f; }));
      }
    }
}

TEST_CASE("BERT: a folder of a model with the head of its training has the vectors of the model", "[encoder]") {
  for (auto [architecture, under] : {std::pair("BertForMaskedLM", "bert."), {"BertForMaskedLM", ""}, {"RobertaForMaskedLM", "roberta."}}) {
    INFO(architecture << " " << under);
    bool roberta = std::string_view(architecture).starts_with("Ro");
    TestModel model = randomBert(roberta ? 2 : 0, Pooling::Mean), headed = model;
    for (const auto& [name, tensor] : model.tensors) {
      headed.tensors.erase(name);
      headed.tensors[fmt::format("hf:{}{}", under, hfNameIn(model, name))] = tensor;
    }
    const TestTensor& some = model.at("token_embd_norm.bias");
    for (const char* head : {"pooler.dense.bias", "embeddings.position_ids"}) headed.tensors[fmt::format("hf:{}{}", under, head)] = some;
    for (const char* head : {"lm_head.dense.bias", "cls.predictions.bias"}) headed.tensors[fmt::format("hf:{}", head)] = some;
    Folder plain, folder;
    std::vector<std::vector<int32_t>> texts = someTexts(5, model.config.vocab);
    std::string own = writeHf(model, plain.path, {.architecture = roberta ? "RobertaModel" : "BertModel"});
    std::string with = writeHf(headed, folder.path, {.architecture = architecture});
    CHECK(bitDifference(vectorsOf(*encoderAt(own, 128, 1), texts, true), vectorsOf(*encoderAt(with, 128, 1), texts, true)) == "");
  }
}

TEST_CASE("BERT: what cannot be a text, and models of the other kind, are refused by name", "[encoder]") {
  TestModel model = randomBert(0, Pooling::Mean);
  Folder folder, other;
  std::string path = writeGguf(model, folder.path);
  std::unique_ptr<TextEncoder> encoder = encoderAt(path, 128, 1);
  std::vector<float> out(64);
  auto refusal = [&](std::vector<int32_t> ids) {
    std::vector<std::vector<int32_t>> texts = {ids};
    auto done = encoder->encode(texts, true, out.data());
    return done ? std::string() : done.error().message.substr(done.error().message.find(": ") + 2);
  };
  CHECK(refusal({}) == "text 1 has no tokens");
  CHECK(refusal(std::vector<int32_t>(91, 1)) == "text 1 has 91 tokens, more than the context of 90");
  CHECK(refusal({3, 61}) == "text 1 has token 61, which is outside the vocabulary of 61");
  CHECK(refusal({-1}) == "text 1 has token -1, which is outside the vocabulary of 61");
  KernelLibrary& library = kernelsOf(hostTarget());
  auto kernels = [&library](const OpDesc& desc) { return library.kernels(desc); };
  auto session = Session::load(need(openModelFiles(path)), kernels, {});
  REQUIRE_FALSE(session);
  CHECK(session.error().message.ends_with("is an encoder, which makes vectors of texts and goes on with none; quern embed makes them"));
  auto decoder = need(Model::load(need(openModelFiles(writeGguf(randomLlama(smallConfig(), 1), other.path))), kernels, {}));
  auto made = TextEncoder::make(decoder, 1);
  REQUIRE_FALSE(made);
  CHECK(made.error().message.ends_with("is a decoder, which goes on with texts; vectors of texts are made by encoders"));
}
