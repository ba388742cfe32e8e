// tests/model/PrefillTest.cpp — a prompt in one piece, in pieces and token by token, on any number of threads: the same bits.
#include "tests/model/TestModel.h"

#include <cmath>

using namespace quern;

namespace {

constexpr size_t kLengths[] = {1, 2, 3, 17, 64, 130};
constexpr size_t kLongest = 130;
constexpr int64_t kChunks[] = {1, 7, 64, 512};

/// Wide enough for blocks of 256: width 256, hidden 512.
TestModel wideModel(TensorType type) {
  ModelConfig c = smallConfig();
  c.width = 256;
  c.hidden = 512;
  c.vocab = 300;
  TestModel model = randomLlama(c, 1);
  model.storeMatrices(type);
  return model;
}

std::unique_ptr<Session> opened(const std::string& path, int64_t chunk, int threads, ElementType kvType,
                                const Target& target = hostTarget()) {
  ModelOptions options;
  options.chunk = chunk;
  options.threads = threads;
  options.kvType = kvType;
  return loadedModel(path, options, target);
}

/// `rows` logits of the last ids, for a prompt of `ids`.
std::vector<float> lastLogits(Session& model, std::span<const int32_t> ids, size_t rows) {
  std::vector<float> logits(rows * static_cast<size_t>(model.config().vocab));
  REQUIRE(model.forward(ids, 0, static_cast<int64_t>(rows), logits.data()));
  return logits;
}

/// Logits that no run of theirs shares a value with: a test of zeros tests nothing.
void checkMeaningful(const std::vector<float>& logits) {
  double largest = 0;
  for (float each : logits) largest = std::max(largest, std::fabs(double{each}));
  CHECK(largest > 0.5);
  CHECK(std::isfinite(largest));
  CHECK(std::count(logits.begin(), logits.end(), 0.0f) < static_cast<std::ptrdiff_t>(logits.size() / 2));
}

/// Every prompt length through one loaded model against the rows of the whole run.
void checkLengths(Session& model, const std::vector<int32_t>& ids, const std::vector<float>& whole, bool alsoLast = false) {
  auto vocab = static_cast<size_t>(model.config().vocab);
  for (size_t length : kLengths) {
    INFO("prompt of " << length);
    std::span<const int32_t> prompt = std::span(ids).first(length);
    CHECK(bitDifference(allLogits(model, prompt), std::span(whole).first(length * vocab)) == "");
    if (!alsoLast) continue;
    size_t rows = std::min<size_t>(length, 9);  // fewer outputs than rows, over the edge of a chunk
    CHECK(bitDifference(lastLogits(model, prompt, rows), std::span(whole).subspan((length - rows) * vocab, rows * vocab)) == "");
  }
}

/// Pieces that are cut where no chunk ends, then single tokens.
void checkPieces(Session& model, const std::vector<int32_t>& ids, const std::vector<float>& whole) {
  auto vocab = static_cast<size_t>(model.config().vocab);
  std::vector<float> pieces;
  for (size_t at = 0, step = 1; at < ids.size(); at += step, step = step * 3 % 41) {
    step = std::min(step, ids.size() - at);
    std::vector<float> part = allLogits(model, std::span(ids).subspan(at, step), static_cast<int64_t>(at));
    pieces.insert(pieces.end(), part.begin(), part.end());
  }
  CHECK(bitDifference(pieces, whole) == "");
  for (size_t at = 0; at < 40; ++at)
    CHECK(bitDifference(allLogits(model, std::span(ids).subspan(at, 1), static_cast<int64_t>(at)),
                        std::span(whole).subspan(at * vocab, vocab)) == "");
}

}  // namespace

TEST_CASE("chunks, prompt lengths and 1, 2, 3 threads change no bit, for f32, q8_0 and q4_K and every cache", "[prefill]") {
  std::vector<int32_t> ids = randomIds(kLongest, 300, 2);
  for (TensorType type : {TensorType::F32, TensorType::Q8_0, TensorType::Q4_K}) {
    Folder folder;
    std::string path = writeGguf(wideModel(type), folder.path);
    for (ElementType kvType : {ElementType::F32, ElementType::F16, ElementType::Q8_0}) {
      std::vector<float> whole = allLogits(*opened(path, 512, 1, kvType), ids);
      checkMeaningful(whole);
      for (int64_t chunk : kChunks)
        for (int threads : {1, 2, 3}) {
          INFO(nameOf(type) << " weights, " << text(kvType) << " cache, chunks of " << chunk << ", " << threads << " threads");
          std::unique_ptr<Session> model = opened(path, chunk, threads, kvType);
          checkLengths(*model, ids, whole, threads == 2);
          if (chunk == 64) checkPieces(*model, ids, whole);
        }
    }
  }
}

TEST_CASE("chunks and threads change no bit on any level", "[prefill]") {
  std::vector<int32_t> ids = randomIds(kLongest, 300, 3);
  for (const Target& target : runnableLevels())
    for (TensorType type : {TensorType::F32, TensorType::Q4_K}) {
      INFO(target.name << ", " << nameOf(type));
      Folder folder;
      std::string path = writeGguf(wideModel(type), folder.path);
      std::vector<float> whole = allLogits(*opened(path, 512, 1, ElementType::F32, target), ids);
      checkMeaningful(whole);
      checkLengths(*opened(path, 7, 2, ElementType::F32, target), ids, whole);
    }
}

TEST_CASE("a cache of f16 or q8_0 is near one of f32, and not the same", "[prefill]") {
  // A key or value is off by at most 2^-11 of itself, independently, so a score by about 2^-11 |q||k| / sqrt(d) / sqrt(3), and
  // what attention adds by as much of |v|: through 2 layers a logit moves by some 2^-11 of the logits' size. Four times that is allowed.
  // With q8_0 it is 1/254 of the largest of 32, half of which is their root mean square.
  constexpr std::pair<ElementType, double> kLimits[] = {{ElementType::F16, 4.0 / 2048}, {ElementType::Q8_0, 4.0 / 127}};
  std::vector<int32_t> ids = randomIds(kLongest, 300, 4);
  Folder folder;
  std::string path = writeGguf(wideModel(TensorType::F32), folder.path);
  std::vector<float> exact = allLogits(*opened(path, 512, 1, ElementType::F32), ids);
  for (auto [kvType, limit] : kLimits) {
    std::vector<float> rounded = allLogits(*opened(path, 512, 1, kvType), ids);
    double difference = 0, size = 0;
    for (size_t i = 0; i < exact.size(); ++i) {
      difference += (double{rounded[i]} - exact[i]) * (double{rounded[i]} - exact[i]);
      size += double{exact[i]} * exact[i];
    }
    INFO(text(kvType) << " is off by " << std::sqrt(difference / size) << " of the logits' root mean square");
    CHECK(std::sqrt(difference / size) < limit);
    CHECK(std::sqrt(difference / size) > 1e-6);
  }
}

TEST_CASE("a cache of q8_0 of a model that rotates nothing: pieces and threads change no bit", "[prefill]") {
  ModelConfig c = smallConfig();
  c.width = 128;
  c.kvHeads = 0;
  Folder folder;
  std::string path = writeGguf(randomGpt2(c, 9), folder.path);
  std::vector<int32_t> ids = randomIds(kLongest, 61, 10);
  std::vector<float> whole = allLogits(*opened(path, 512, 1, ElementType::Q8_0), ids);
  checkMeaningful(whole);
  CHECK(bitDifference(allLogits(*opened(path, 512, 1, ElementType::F32), ids), whole) != "");
  for (int threads : {1, 2}) {
    std::unique_ptr<Session> model = opened(path, 7, threads, ElementType::Q8_0);
    CHECK(bitDifference(allLogits(*model, ids), whole) == "");
    for (size_t at = 0; at < 40; ++at)
      CHECK(bitDifference(allLogits(*model, std::span(ids).subspan(at, 1), static_cast<int64_t>(at)),
                          std::span(whole).subspan(at * 61, 61)) == "");
  }
}

TEST_CASE("a cache takes the bytes of its type", "[prefill]") {
  Folder folder;
  std::string path = writeGguf(wideModel(TensorType::F32), folder.path);
  constexpr double kElements = 2 * 2 * 2 * 64;  // keys and values of 2 layers, 2 heads of 64
  constexpr std::pair<ElementType, double> kBytes[] = {
      {ElementType::F32, 4}, {ElementType::F16, 2}, {ElementType::BF16, 2}, {ElementType::Q8_0, 34.0 / 32}};
  for (auto [kvType, bytes] : kBytes) {
    INFO(text(kvType));
    auto session = opened(path, 64, 1, kvType);
    CHECK(session->model().cacheBytes(70) == 70 * kElements * bytes);
    CHECK(static_cast<double>(session->model().plan()->memory().persistentBytes) == 160 * kElements * bytes);  // whole lines
  }
}

TEST_CASE("heads that are no whole blocks keep no q8_0", "[prefill]") {
  Folder folder;
  std::string path = writeGguf(randomLlama(smallConfig(), 1), folder.path);  // heads of 16
  ModelOptions options;
  options.kvType = ElementType::Q8_0;
  KernelLibrary library(hostTarget(), {});
  auto model = Session::load(need(openModelFiles(path)), [&library](const OpDesc& desc) { return library.kernels(desc); }, options);
  REQUIRE_FALSE(model);
  CHECK(model.error().message ==
        path + ": rope: x=*x2x16 with to=q8_0, whose blocks are 32 elements of the last axis: a known multiple of 32 " +
            "is needed there, or to=bf16");
}

TEST_CASE("a prompt longer than the default chunk", "[prefill]") {
  TestModel model = wideModel(TensorType::F32);
  model.config.context = 640;
  model.config.layers = 1;
  for (const auto& [name, tensor] : TestModel(model).tensors)
    if (name.starts_with("blk.1.")) model.tensors.erase(name);
  std::vector<int32_t> ids = randomIds(600, 300, 7);
  Folder folder;
  std::string path = writeGguf(model, folder.path);
  std::vector<float> whole = allLogits(*opened(path, 640, 1, ElementType::F32), ids);
  checkMeaningful(whole);
  for (int64_t chunk : {512, 599, 100}) {
    INFO("chunks of " << chunk);
    std::unique_ptr<Session> pieces = opened(path, chunk, 2, ElementType::F32);
    CHECK(bitDifference(allLogits(*pieces, ids), whole) == "");
    CHECK(bitDifference(lastLogits(*pieces, ids, 120), std::span(whole).last(120 * 300)) == "");
  }
}

TEST_CASE("runs that want no logits, runs of nothing, and runs that are refused leave the cache as it should be", "[prefill]") {
  std::vector<int32_t> ids = randomIds(30, 300, 8);
  Folder folder;
  std::string path = writeGguf(wideModel(TensorType::F32), folder.path);
  std::unique_ptr<Session> model = opened(path, 7, 2, ElementType::F32), other = opened(path, 7, 2, ElementType::F32);
  std::vector<float> wanted = allLogits(*other, ids);
  REQUIRE(model->forward(std::span(ids).first(20), 0, 0, nullptr));
  REQUIRE(model->forward({}, 20, 0, nullptr));
  std::vector<int32_t> outside = {1, 2, 300};
  float none[1];
  auto refused = model->forward(outside, 0, 1, none);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().message == path + ": token 300 is outside its vocabulary of 300");
  auto beyond = model->forward(std::span(ids).first(2), 159, 1, none);
  REQUIRE_FALSE(beyond);
  CHECK(beyond.error().message == path + ": positions 159 to 160 are outside its context of 160");
  CHECK(bitDifference(allLogits(*model, std::span(ids).subspan(20), 20), std::span(wanted).subspan(20 * 300)) == "");
}

TEST_CASE("a sequence that begins anew sees nothing of the one before", "[prefill]") {
  std::vector<int32_t> ids = randomIds(kLongest, 300, 5), others = randomIds(kLongest, 300, 6);
  Folder folder;
  std::string path = writeGguf(wideModel(TensorType::F32), folder.path);
  std::unique_ptr<Session> used = opened(path, 64, 2, ElementType::F32), fresh = opened(path, 64, 2, ElementType::F32);
  std::vector<float> before = allLogits(*used, others);
  std::vector<float> again = allLogits(*used, std::span(ids).first(40)), wanted = allLogits(*fresh, std::span(ids).first(40));
  CHECK(bitDifference(again, wanted) == "");
  CHECK(bitDifference(std::span(before).first(40 * 300), wanted) != "");
}
