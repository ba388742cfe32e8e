// tests/model/SessionFileTest.cpp — a session on disk: the bits of one that was never saved, whatever the cache keeps; any other file is
// refused by name and changes nothing. Stop strings, wherever pieces of a text are cut.
#include "compiler/base/LineSum.h"
#include "models/Conversation.h"
#include "models/KvTypes.h"
#include "models/SessionFile.h"
#include "models/StopText.h"
#include "tests/model/TestModel.h"

#include <filesystem>
#include <fstream>

using namespace quern;

namespace {

ModelConfig wideConfig() {
  ModelConfig config = smallConfig();
  config.width = 128;  // heads of 32: blocks of q8_0
  return config;
}

std::string contentOf(const std::string& path) { return need(readFile(path)); }

void writeContent(const std::string& path, std::string_view bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

std::vector<std::byte> cacheOf(Session& session, int64_t count) {
  std::vector<std::byte> all;
  for (std::span<std::byte> each : session.cached(count)) all.insert(all.end(), each.begin(), each.end());
  return all;
}

std::string whyNot(const Result<SavedSession>& result) { return result ? "" : result.error().message; }

}  // namespace

TEST_CASE("a saved session goes on with the bits of one that went on") {
  Folder folder;
  std::string model = writeGguf(randomLlama(wideConfig(), 3), folder.path), file = folder.path + "/s.qs";
  for (const KvType& kv : kvTypes()) {
    ModelOptions options;
    options.kvType = kv.type;
    options.context = 120;
    auto first = loadedModel(model, options);
    std::vector<int32_t> ids = randomIds(50, 61, 1);
    allLogits(*first, ids);
    REQUIRE(saveSession(file, *first, {ids, std::string("a\0note", 6)}));
    CHECK(std::distance(std::filesystem::directory_iterator(folder.path), {}) == 2);  // nothing temporary stays
    options.context = 70;                                                             // another size of the cache
    auto second = loadedModel(model, options);
    SavedSession saved = need(loadSession(file, *second));
    INFO(kv.name);
    CHECK(saved.ids == ids);
    CHECK(saved.note == std::string("a\0note", 6));
    CHECK(cacheOf(*second, 50) == cacheOf(*first, 50));
    std::vector<int32_t> more = randomIds(15, 61, 2);
    CHECK(bitDifference(allLogits(*first, more, 50), allLogits(*second, more, 50)) == "");
  }
  // None at all is a session too.
  auto none = loadedModel(model);
  REQUIRE(saveSession(file, *none, {}));
  CHECK(need(loadSession(file, *none)).ids.empty());
  CHECK(saveSession(file, *none, {std::vector<int32_t>(161), ""}).error().message.ends_with("161 tokens do not fit in a context of 160"));
}

TEST_CASE("of layers with windows a saved session has what they may yet see, and goes on with the same bits in chunks of another size") {
  Folder folder;
  TestModel made = randomLlama(smallConfig(), 4);
  made.config.context = 1500;
  made.config.perLayer = {LayerConfig{.window = 40}, LayerConfig{.window = 40}};
  std::string model = writeGguf(made, folder.path), file = folder.path + "/s.qs";
  std::vector<int32_t> ids = randomIds(1200, 61, 5), more = randomIds(100, 61, 6);
  auto first = loadedModel(model, {.chunk = 64}), second = loadedModel(model, {.chunk = 16});
  REQUIRE(first->model().plan()->memory().persistentBytes != second->model().plan()->memory().persistentBytes);
  allLogits(*first, ids);
  REQUIRE(saveSession(file, *first, {ids, ""}));
  CHECK(std::filesystem::file_size(file) < 100000);  // of 1200 positions it would be 600 kB
  allLogits(*second, randomIds(900, 61, 7));         // another text before
  CHECK(need(loadSession(file, *second)).ids == ids);
  CHECK_FALSE(second->keeps(1000));
  CHECK(bitDifference(allLogits(*first, more, 1200), allLogits(*second, more, 1200)) == "");
  auto gone = saveSession(file, *first, {std::vector<int32_t>(ids.begin(), ids.begin() + 600), ""});
  REQUIRE_FALSE(gone);
  CHECK(gone.error().message.ends_with("what the cache had of position 600 is overwritten in layers with windows"));
}

TEST_CASE("what is no session of this model is refused and changes nothing") {
  Folder folder;
  std::string path = writeGguf(randomLlama(smallConfig(), 3), folder.path), file = folder.path + "/s.qs", other = folder.path + "/other.qs";
  auto session = loadedModel(path);
  std::vector<int32_t> ids = randomIds(5, 61, 1);
  allLogits(*session, ids);
  REQUIRE(saveSession(file, *session, {ids, "user 2\nHi\n"}));
  const std::string good = contentOf(file);
  std::vector<std::byte> before = cacheOf(*session, 160);
  auto loaded = [&](std::string_view bytes) {
    writeContent(other, bytes);
    return loadSession(other, *session);
  };
  REQUIRE(loaded(good));
  // Any byte that differs, and any end.
  for (size_t at = 0; at < good.size(); at += at < 800 ? 1 : 5) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ (at % 2 == 0 ? 1 : 0x80));
    auto result = loaded(bad);
    INFO("byte " << at << ": " << whyNot(result));
    CHECK(whyNot(result).starts_with(other + ": "));
  }
  for (size_t size = 1; size < good.size(); size += size < 800 ? 1 : 37) CHECK_FALSE(loaded(std::string_view(good).substr(0, size)));
  CHECK_FALSE(loaded(good + "x"));
  // Numbers beyond everything, with a head whose sum is right.
  auto headed = [&](const std::string& from, const std::string& to) {
    std::string bytes = good;
    size_t at = bytes.find(from), head = bytes.find("head ");
    REQUIRE(at < head);
    bytes.replace(at, from.size(), to);
    head = bytes.find("\nhead ") + 1;
    std::string sum = sumText(lineSum(reinterpret_cast<const std::byte*>(bytes.data()), head));
    bytes.replace(head + 5, 16, sum);
    return whyNot(loaded(bytes));
  };
  CHECK(headed("ids 5", "ids 9223372036854775807") == other + ": line 5: ids is '9223372036854775807', 0 to 160 can be");
  CHECK(headed("ids 5", "ids -1") == other + ": line 5: ids is '-1', 0 to 160 can be");
  CHECK(headed("note 10", "note 99999999999") == other + fmt::format(": line 6: note is '99999999999', 0 to {} can be", good.size() + 9));
  CHECK(headed("note 10", "note 11").starts_with(other + ": has "));
  CHECK(headed("ids 5", "ids 4").starts_with(other + ": a buffer of the cache has '"));
  CHECK(headed("quern-session 1", "quern-session 2") ==
        other + ": line 1 is 'quern-session 2', 'quern-session 1' is needed: no saved session, or a damaged one");
  CHECK(headed("quern-session 1\n", "quern-session 1\n\n").starts_with(other + ": line 2 is '', 'model' is needed"));
  // An id that the vocabulary has not, with every sum right.
  CHECK(saveSession(other, *session, {{61, 1, 2, 3, 4}, ""}));
  CHECK(whyNot(loadSession(other, *session)) == other + ": token 61 is outside the vocabulary of 61");
  // Another model, other weights, another cache.
  auto with = [&](const TestModel& model, ElementType kv) {
    Folder elsewhere;
    ModelOptions options;
    options.kvType = kv;
    auto its = loadedModel(writeGguf(model, elsewhere.path), options);
    return whyNot(loadSession(file, *its));
  };
  ModelConfig deeper = smallConfig();
  deeper.layers = 3;
  CHECK(with(randomLlama(deeper, 3), ElementType::F32)
            .starts_with(file + ": is a session of another model: llama vocab=61 width=64 layers=2"));
  CHECK(with(randomLlama(smallConfig(), 4), ElementType::F32).starts_with(file + ": is a session of the same model with other weights: "));
  CHECK(with(randomLlama(smallConfig(), 3), ElementType::F16).starts_with(file + ": is a session computed otherwise: kv=f32 "));
  CHECK(with(randomLlama(smallConfig(), 3), ElementType::F32) == "");
  CHECK(whyNot(loadSession(folder.path + "/absent", *session)).ends_with("absent: No such file or directory"));
  CHECK(whyNot(loadSession(folder.path, *session)) != "");
  ModelOptions small;
  small.context = 4;
  CHECK(whyNot(loadSession(file, *loadedModel(path, small))) == file + ": line 5: ids is '5', 0 to 4 can be");
  CHECK(cacheOf(*session, 160) == before);
  // A folder that cannot be written to.
  CHECK_FALSE(saveSession(folder.path + "/absent/s.qs", *session, {ids, ""}));
}

TEST_CASE("a session whose note is no conversation's is refused") {
  Folder folder;
  auto without = loadedModel(writeGguf(randomLlama(smallConfig(), 3), folder.path));
  CHECK_FALSE(Conversation::make(*without, need(ModelText::read(without->model().source())), need(ChatTemplate::named("chatml"))));
  std::string file = folder.path + "/s.qs";
  auto session = loadedModel(sharedFile("models/stories260K/stories260K.gguf"));
  ModelText words = need(ModelText::read(session->model().source()));
  Conversation talk = need(Conversation::make(*session, words, need(ChatTemplate::named("chatml"))));
  auto loaded = [&](const std::string& note) {
    REQUIRE(saveSession(file, *session, {{1, 2}, note}));
    return static_cast<bool>(talk.load(file));
  };
  CHECK(loaded("known 0\n\nuser 2\nHi\n"));
  CHECK(loaded("known 2 7\nab\nsystem 0\n\nuser 2\nHi\nassistant 1\n\n\n"));
  for (const char* note :
       {"", "x", "user 2\nHi\n", "known 0\n", "known 1\n\n", "known -1\n\n", "known 0 512\n\n", "known 0 -1\n\n", "known 0 a\n\n",
        "known 0 1 1\n\n", "known 0\n\ntool 2\nHi\n", "known 0\n\nuser 2\nHi\nsystem 1\na\n", "known 0\n\nuser 3\nHi\n",
        "known 0\n\nuser 9223372036854775807\nHi\n", "known 0\n\nuser 2 1\nHi\n", "known 0\n\nuser 2\nHix"}) {
    INFO(note);
    CHECK_FALSE(loaded(note));
    CHECK(talk.messages().size() == 3);  // those of the last that was one
  }
  CHECK_FALSE(loaded(std::string(1 << 20, ' ')));
}

TEST_CASE("a text ends where a stop string begins, wherever its pieces are cut") {
  struct Case {
    std::vector<std::string> stops;
    std::string text, shown;
    bool stopped;
  };
  const Case cases[] = {
      {{"END"}, "some END more", "some ", true},
      {{"END"}, "ENENEND", "ENEN", true},
      {{"END"}, "some EN", "some EN", false},
      {{"aab"}, "aaaab", "aa", true},
      {{"abcd", "bc"}, "xabcdx", "xa", true},   // complete first
      {{"bcd", "abcd"}, "xabcdex", "x", true},  // complete at once
      {{""}, "all", "all", false},
      {{}, "all", "all", false},
      {{"\n\n", "</s>"}, "a\n</s", "a\n</s", false},
      {{"\n\n"}, "a\n\n\nb", "a", true},
      {{"\xe4\xbd\xa0"}, "a\xe4\xbd\xa0z", "a", true},
  };
  for (const Case& each : cases) {
    for (size_t step = 1; step <= each.text.size(); ++step) {
      StopText stop(each.stops);
      std::string out;
      for (size_t at = 0; at < each.text.size() && !stop.stopped(); at += step) {
        out += stop.add(std::string_view(each.text).substr(at, step));
        CHECK(each.shown.starts_with(out));  // never a part of a stop string
      }
      bool stopped = stop.stopped();
      out += stop.flush();
      INFO(each.text << " in pieces of " << step);
      CHECK(out == each.shown);
      CHECK(stopped == each.stopped);
      CHECK(stop.add("more") == (stopped ? "" : "more"));
    }
  }
}
