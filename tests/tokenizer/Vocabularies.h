// tests/tokenizer/Vocabularies.h — the vocabularies that lie beside the project, and their test vectors.
#pragma once

#include "compiler/base/Files.h"
#include "compiler/base/Text.h"
#include "models/files/WeightFiles.h"
#include "models/tokenizer/GgufTokenizer.h"
#include "models/tokenizer/Tokenizer.h"
#include "tests/Folders.h"

#include <catch2/catch.hpp>

#include <cstdlib>
#include <filesystem>
#include <fmt/format.h>

namespace quern {

/// What a value is, or the test fails with its error.
template <class T>
T need(Result<T> result) {
  INFO((result ? "" : result.error().message));
  REQUIRE(result);
  return std::move(*result);
}

/// False with a note where the file is not here.
inline bool hasShared(const std::string& name) {
  if (std::filesystem::exists(sharedFile(name))) return true;
  WARN("skipped: " << sharedFile(name) << " is not here");
  return false;
}

struct Vector {
  std::string text;
  std::vector<int32_t> ids;
};

/// PATH.inp and PATH.out.
inline std::vector<Vector> readVectorsAt(const std::string& path) {
  std::string texts = need(readFile(path + ".inp")), ids = need(readFile(path + ".out"));
  static constexpr std::string_view kBetween = "\n__ggml_vocab_test__\n";
  std::vector<Vector> out;
  std::vector<std::string> lines = split(ids, '\n');
  for (size_t at = 0, i = 0; at < texts.size(); ++i) {
    size_t end = std::min(texts.find(kBetween, at), texts.size());
    REQUIRE(i < lines.size());
    Vector vector{texts.substr(at, end - at), {}};
    for (const std::string& word : split(lines[i], ' '))
      if (!word.empty()) vector.ids.push_back(static_cast<int32_t>(parseInt(word).value()));
    out.push_back(std::move(vector));
    at = end + kBetween.size();
  }
  return out;
}

inline std::vector<Vector> readVectors(const std::string& name) { return readVectorsAt(sharedFile(name)); }

inline std::string shown(std::span<const int32_t> ids) {
  std::string out;
  for (int32_t id : ids) out += fmt::format("{} ", id);
  return out;
}

inline constexpr const char* kGpt2Vocabulary = "tokenizers/ggml-vocab-gpt-2.gguf";
inline constexpr const char* kLlamaVocabulary = "tokenizers/ggml-vocab-llama-spm.gguf";

inline Tokenizer readVocabulary(const std::string& name) {
  WeightFiles files = need(WeightFiles::open(sharedFile(name)));
  return need(Tokenizer::make(need(readGgufTokenizer(files.metadata()))));
}

}  // namespace quern
