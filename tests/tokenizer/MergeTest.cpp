// tests/tokenizer/MergeTest.cpp — merging: the order of the originals against a plain loop, ties, cost; added tokens.
#include "models/tokenizer/AddedTokens.h"
#include "models/tokenizer/BytePairMerger.h"
#include "models/tokenizer/SentencePieceMerger.h"

#include <catch2/catch.hpp>

#include <random>

using namespace quern;

namespace {

/// A random list of merges over the letters a to d, each pair once, and its tokens.
struct Alphabet {
  std::vector<std::string> tokens = {"a", "b", "c", "d"};
  std::vector<Merge> merges;

  Alphabet(std::mt19937_64& random, size_t count) {
    while (merges.size() < count) {
      auto left = static_cast<int32_t>(random() % tokens.size()), right = static_cast<int32_t>(random() % tokens.size());
      std::string joined = tokens[static_cast<size_t>(left)] + tokens[static_cast<size_t>(right)];
      bool known = std::find(tokens.begin(), tokens.end(), joined) != tokens.end();
      if (known || joined.size() > 12) continue;
      merges.push_back({left, right, static_cast<int32_t>(tokens.size())});
      tokens.push_back(joined);
    }
    std::shuffle(merges.begin(), merges.end(), random);  // ranks need not follow lengths
  }
};

std::vector<int32_t> idsOf(const MergeWork& work) {
  std::vector<int32_t> out;
  for (const MergeSymbol& symbol : work.symbols)
    if (symbol.length != 0) out.push_back(symbol.id);
  return out;
}

/// The definition: the best pair of all neighbours, the leftmost of equals, again and again.
template <class Rank>
std::vector<int32_t> mergedPlainly(std::vector<int32_t> ids, const Rank& rank) {
  for (;;) {
    size_t best = ids.size();
    MergeFound found;
    for (size_t i = 0; i + 1 < ids.size(); ++i) {
      MergeFound here = rank(ids[i], ids[i + 1]);
      if (here.id >= 0 && (best == ids.size() || here.rank < found.rank)) best = i, found = here;
    }
    if (best == ids.size()) return ids;
    ids[best] = found.id;
    ids.erase(ids.begin() + static_cast<std::ptrdiff_t>(best) + 1);
  }
}

uint64_t stepsOf(const BytePairMerger& merger, size_t length, const std::vector<int32_t>& letters, std::mt19937_64& random) {
  MergeWork work;
  for (size_t i = 0; i < length; ++i) work.add(static_cast<uint32_t>(i), 1, letters[random() % letters.size()]);
  merger.merge(work);
  return work.steps;
}

}  // namespace

TEST_CASE("merging by list: 3,000 random vocabularies and texts as the plain loop merges them", "[tokenizer]") {
  std::mt19937_64 random(3);
  for (int i = 0; i < 3000; ++i) {
    Alphabet alphabet(random, 1 + random() % 20);
    BytePairMerger merger(alphabet.merges, static_cast<int32_t>(alphabet.tokens.size()));
    MergeWork work;
    std::vector<int32_t> ids;
    for (uint32_t k = 0, n = static_cast<uint32_t>(random() % 30); k < n; ++k) {
      ids.push_back(static_cast<int32_t>(random() % 4));
      work.add(k, 1, ids.back());
    }
    merger.merge(work);
    CHECK(idsOf(work) == mergedPlainly(ids, [&](int32_t a, int32_t b) { return merger.find(a, b); }));
  }
}

TEST_CASE("merging by score: 3,000 random vocabularies and texts as the plain loop merges them", "[tokenizer]") {
  std::mt19937_64 random(4);
  for (int i = 0; i < 3000; ++i) {
    Alphabet alphabet(random, 1 + random() % 20);
    TokenTexts texts;
    std::vector<float> scores;
    for (const std::string& token : alphabet.tokens) {
      texts.add(token);
      scores.push_back(static_cast<float>(static_cast<int>(random() % 7)) - 3.0f);  // ties, both signs and zero
    }
    TokenIndex index(texts, [](int32_t) { return true; });
    SentencePieceMerger merger(scores, 12);
    std::string text;
    std::vector<int32_t> ids;
    MergeWork work;
    for (uint32_t k = 0, n = static_cast<uint32_t>(random() % 30); k < n; ++k) {
      ids.push_back(static_cast<int32_t>(random() % 4));
      text += alphabet.tokens[static_cast<size_t>(ids.back())];
      work.add(k, 1, ids.back());
    }
    merger.merge(work, text, texts, index);
    auto rank = [&](int32_t a, int32_t b) {
      int32_t id = index.find(texts, alphabet.tokens[static_cast<size_t>(a)] + alphabet.tokens[static_cast<size_t>(b)]);
      return id < 0 ? kNoMerge : MergeFound{static_cast<uint32_t>(10 - scores[static_cast<size_t>(id)]), id};
    };
    CHECK(idsOf(work) == mergedPlainly(ids, rank));
  }
}

TEST_CASE("merging: the leftmost of equals, the first of a pair listed twice", "[tokenizer]") {
  const Merge merges[] = {{0, 0, 1}, {0, 0, 2}};
  BytePairMerger merger(merges, 3);
  MergeWork work;
  for (uint32_t i = 0; i < 3; ++i) work.add(i, 1, 0);
  merger.merge(work);
  CHECK(idsOf(work) == std::vector<int32_t>{1, 0});
}

TEST_CASE("merging: the steps grow with the text, not with its square", "[tokenizer]") {
  std::mt19937_64 random(5);
  std::vector<Merge> doubling;
  for (int32_t i = 0; i < 20; ++i) doubling.push_back({i, i, i + 1});
  BytePairMerger doubles(doubling, 21);
  Alphabet alphabet(random, 200);
  BytePairMerger mixed(alphabet.merges, static_cast<int32_t>(alphabet.tokens.size()));
  for (size_t length : {1000u, 10000u, 100000u, 1000000u}) {
    CHECK(stepsOf(doubles, length, {0}, random) <= 5 * length);
    CHECK(stepsOf(mixed, length, {0, 1, 2, 3}, random) <= 5 * length);
  }
}

TEST_CASE("added tokens: leftmost, then longest, against a search at every place", "[tokenizer]") {
  std::mt19937_64 random(6);
  auto letters = [&](size_t most) {
    std::string out;
    for (size_t i = random() % (most + 1); i > 0; --i) out += static_cast<char>('a' + random() % 2);
    return out;
  };
  int found = 0;
  for (int i = 0; i < 5000; ++i) {
    std::vector<AddedPattern> patterns;
    for (size_t k = random() % 8; k > 0; --k) {
      std::string text = "a" + letters(5);
      bool known = std::any_of(patterns.begin(), patterns.end(), [&](const AddedPattern& p) { return p.text == text; });
      if (!known) patterns.push_back({text, static_cast<int32_t>(patterns.size()), random() % 2 == 0});
    }
    AddedTokens added(patterns);
    std::string text = letters(30);
    for (bool special : {false, true}) {
      std::vector<AddedMatch> matches = added.find(text, special);
      size_t next = matches.size();
      for (size_t at = 0; at < text.size(); ++at) {
        const AddedPattern* longest = nullptr;
        for (const AddedPattern& pattern : patterns)
          if ((special || !pattern.special) && text.compare(at, pattern.text.size(), pattern.text) == 0 &&
              (longest == nullptr || pattern.text.size() > longest->text.size()))
            longest = &pattern;
        if (longest == nullptr) continue;
        REQUIRE(next > 0);
        const AddedMatch& match = matches[--next];
        CHECK(match.begin == at);
        CHECK(match.place == longest->place);
        CHECK(match.length == longest->text.size());
        ++found;
      }
      CHECK(next == 0);
    }
  }
  CHECK(found > 10000);
}
