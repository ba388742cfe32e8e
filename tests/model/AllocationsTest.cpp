// tests/model/AllocationsTest.cpp — a token costs no allocation: forward, sampler and text stream together, for every kind of weight.
#include "models/Sampler.h"
#include "models/tokenizer/TextStream.h"
#include "tests/CountedMalloc.h"
#include "tests/model/TestModel.h"
#include "tests/tokenizer/HfText.h"

using namespace quern;

namespace {

constexpr int64_t kVocab = 300;

/// Letters, their pairs, and the first byte of a character: some ids leave a sequence unfinished.
Tokenizer letters() {
  HfText text;
  for (int first = -1; first < 26; ++first)
    for (char second = 'a'; second <= 'z' && text.tokens.size() + 2 < kVocab; ++second)
      text.tokens.push_back(first < 0 ? std::string(1, second) : std::string{static_cast<char>('a' + first), second});
  text.tokens.insert(text.tokens.end(), {"Ã", "©"});  // the bytes 0xC3 and 0xA9 as byte-level tokens spell them
  return need(Tokenizer::make(need(parseHfTokenizer({.tokenizer = text.text(), .config = {}, .generation = {}}))));
}

/// What `quern generate` does for each token.
struct Loop {
  Session& model;
  Sampler& sampler;
  TextStream& stream;
  std::vector<float>& logits;
  size_t bytes = 0;
  bool failed = false;

  void tokens(int64_t from, int64_t to) {
    for (int64_t past = from; past < to && !failed; ++past) {
      auto next = sampler.next(logits);
      if (!next) {
        failed = true;
        break;
      }
      sampler.accept(*next);
      auto text = stream.add(*next);
      const int32_t id[] = {*next};
      failed = !text || !model.forward(id, past, 1, logits.data());
      if (text) bytes += text->size();
    }
  }
};

TestModel wideModel(TensorType type) {
  ModelConfig c = smallConfig();
  c.width = 256;
  c.hidden = 512;
  c.vocab = kVocab;
  TestModel model = randomLlama(c, 1);
  model.storeMatrices(type);
  return model;
}

}  // namespace

TEST_CASE("no token after the first allocates, on one thread and on two", "[allocations]") {
  Tokenizer tokenizer = letters();
  CHECK(countsMallocs());  // the counter counts
  for (TensorType type : {TensorType::F32, TensorType::F16, TensorType::Q8_0, TensorType::Q4_K, TensorType::Q5_1})
    for (int threads : {1, 2})
      for (ElementType kvType : {ElementType::F32, ElementType::F16, ElementType::Q8_0}) {
        INFO(nameOf(type) << ", " << threads << " threads, " << text(kvType) << " cache");
        Folder folder;
        ModelOptions options;
        options.threads = threads;
        options.kvType = kvType;
        std::unique_ptr<Session> model = loadedModel(writeGguf(wideModel(type), folder.path), options);
        std::vector<int32_t> prompt = randomIds(20, kVocab, 2);
        Sampler sampler = need(Sampler::make({.repeatPenalty = 1.1, .seed = 3}, kVocab));
        TextStream stream(tokenizer, false);
        std::vector<float> logits(kVocab);
        Loop loop{*model, sampler, stream, logits};
        for (int32_t id : prompt) sampler.accept(id);
        REQUIRE(model->forward(prompt, 0, 1, logits.data()));
        loop.tokens(20, 22);  // warm
        CHECK(mallocsOf([&] { loop.tokens(22, 150); }) == 0);
        CHECK_FALSE(loop.failed);
        CHECK(loop.bytes > 100);
        CHECK(mallocsOf([&] { loop.failed = !model->forward(prompt, 0, 1, logits.data()); }) == 0);  // nor does a prompt
        CHECK_FALSE(loop.failed);
      }
}
