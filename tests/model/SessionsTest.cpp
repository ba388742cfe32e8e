// tests/model/SessionsTest.cpp — sessions of one model: weights once, each with the bits of a lone run, whatever the others do at the same
// time; a text from a generator is the one that forward and sampler give.
#include "models/Generator.h"
#include "tests/model/TestModel.h"

#include <iostream>
#include <thread>

using namespace quern;

namespace {

std::shared_ptr<const Model> modelAt(const std::string& path, int64_t chunk) {
  KernelLibrary& library = kernelsOf(hostTarget());
  ModelOptions options;
  options.chunk = chunk;
  return need(Model::load(need(openModelFiles(path)), [&library](const OpDesc& desc) { return library.kernels(desc); }, options));
}

/// A prompt in pieces, then tokens one by one: all logits.
std::vector<float> logitsOf(Session& session, std::span<const int32_t> ids, size_t prompt) {
  std::vector<float> all = allLogits(session, ids.first(prompt));
  for (size_t at = prompt; at < ids.size(); ++at) {
    std::vector<float> one = allLogits(session, ids.subspan(at, 1), static_cast<int64_t>(at));
    all.insert(all.end(), one.begin(), one.end());
  }
  return all;
}

}  // namespace

TEST_CASE("sixteen sessions of one model at once give the bits of lone runs, and hold its weights once") {
  Folder folder;
  int64_t compared = 0;
  for (TensorType type : {TensorType::F32, TensorType::Q8_0}) {
    TestModel made = randomLlama(smallConfig(), 5);
    if (type != TensorType::F32) made.storeMatrices(type);
    std::string path = writeGguf(made, folder.path);
    constexpr size_t kSessions = 16;
    std::vector<std::vector<int32_t>> ids;
    std::vector<std::vector<float>> alone, together(kSessions);
    for (size_t i = 0; i < kSessions; ++i) {
      ids.push_back(randomIds(30 + i * 7, made.config.vocab, static_cast<uint32_t>(i)));
      std::unique_ptr<Session> lone = loadedModel(path);  // nothing is shared
      alone.push_back(logitsOf(*lone, ids[i], 20 + i));
    }
    std::shared_ptr<const Model> model = modelAt(path, 7);
    int64_t bytes = model->weightBytes();
    std::vector<std::unique_ptr<Session>> sessions;
    for (size_t i = 0; i < kSessions; ++i) sessions.push_back(need(Session::make(model, 1 + static_cast<int>(i % 2))));
    CHECK(model.use_count() == kSessions + 1);
    for (const auto& session : sessions) CHECK(&session->model() == model.get());
    CHECK(model->weightBytes() == bytes);
    std::vector<std::thread> threads;
    for (size_t i = 0; i < kSessions; ++i)
      threads.emplace_back([&, i] {
        std::vector<float> logits(ids[i].size() * static_cast<size_t>(model->config().vocab));
        auto vocab = static_cast<size_t>(model->config().vocab);
        size_t prompt = 20 + i;
        bool good =
            static_cast<bool>(sessions[i]->forward(std::span(ids[i]).first(prompt), 0, static_cast<int64_t>(prompt), logits.data()));
        for (size_t at = prompt; at < ids[i].size(); ++at)
          good = good && sessions[i]->forward(std::span(ids[i]).subspan(at, 1), static_cast<int64_t>(at), 1, logits.data() + at * vocab);
        if (good) together[i] = std::move(logits);
      });
    for (std::thread& thread : threads) thread.join();
    for (size_t i = 0; i < kSessions; ++i) {
      INFO("session " << i);
      CHECK(bitDifference(alone[i], together[i]) == "");
      compared += static_cast<int64_t>(alone[i].size());
    }
    sessions.resize(1);
    model.reset();  // the last session keeps it
    CHECK(bitDifference(alone[0], logitsOf(*sessions[0], ids[0], 20)) == "");
  }
  std::cout << compared << " logits of sixteen sessions at once\n";
  CHECK(compared > 100'000);
}

TEST_CASE("a generator's text is that of forward and sampler; it ends at its count, its end, its context") {
  Folder folder;
  TestModel made = randomLlama(smallConfig(), 6);
  std::string path = writeGguf(made, folder.path);
  std::unique_ptr<Session> session = loadedModel(path);
  std::vector<int32_t> prompt = randomIds(9, made.config.vocab, 3);
  std::vector<int32_t> expected = greedyIds(*session, prompt, 40);
  SamplerOptions greedy;
  greedy.temperature = 0;
  auto textOf = [&](const GeneratorOptions& options) {
    Generator generator = need(Generator::make(*session, made.config.vocab, options));
    CHECK(need(generator.prompt(prompt)) == 9);
    std::vector<int32_t> ids;
    while (auto next = need(generator.next())) ids.push_back(*next);
    CHECK(generator.made() == static_cast<int64_t>(ids.size()));
    CHECK_FALSE(need(generator.next()));
    return std::pair(ids, generator.ended());
  };
  CHECK(textOf({greedy, 40, {}}) == std::pair(expected, Generator::End::Count));
  CHECK(textOf({greedy, 0, {}}) == std::pair(std::vector<int32_t>{}, Generator::End::Count));
  auto [whole, why] = textOf({greedy, -1, {}});
  CHECK(why == Generator::End::Context);
  CHECK(static_cast<int64_t>(whole.size()) == session->context() - 9 + 1);  // the last needs no place in the cache
  int32_t stop = expected[11];
  auto before = std::find(expected.begin(), expected.end(), stop);
  CHECK(textOf({greedy, -1, [&](int32_t id) { return id == stop; }}) ==
        std::pair(std::vector<int32_t>(expected.begin(), before), Generator::End::Text));
  Generator none = need(Generator::make(*session, made.config.vocab, {greedy, 1, {}}));
  CHECK_FALSE(none.prompt({}));
  CHECK_FALSE(none.prompt(std::vector<int32_t>(static_cast<size_t>(session->context()) + 1, 1)));
}
