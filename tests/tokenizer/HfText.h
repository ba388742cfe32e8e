// tests/tokenizer/HfText.h — small tokenizer.json files, put together from parts.
#pragma once

#include "models/tokenizer/HfTokenizer.h"
#include "models/tokenizer/Tokenizer.h"
#include "tests/tokenizer/Vocabularies.h"

#include <algorithm>
#include <fmt/format.h>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace quern {

inline constexpr const char* kGpt2Stage = R"({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true})";
inline constexpr const char* kLlama3Regex =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|)"
    R"(\\s+(?!\\S)|\\s+)";
inline constexpr const char* kQwen2Regex =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+)";
inline constexpr const char* kLlama2Normalizer =
    R"({"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "▁"}, {"type": "Replace", "pattern": {"String": " "}, )"
    R"("content": "▁"}]})";

inline std::string splitStage(const std::string& regex) {
  return R"({"type": "Sequence", "pretokenizers": [{"type": "Split", "pattern": {"Regex": ")" + regex +
         R"("}, "behavior": "Isolated", "invert": false}, {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, )"
         R"("use_regex": false}]})";
}

inline std::string jsonQuoted(std::string_view text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (static_cast<unsigned char>(c) < 0x20) out += fmt::format("\\u{:04x}", static_cast<int>(c));
    else out += c;
  }
  return out + "\"";
}

/// A file in parts: what a test does not set is absent or null.
struct HfText {
  std::vector<std::string> tokens;  ///< ids from 0
  std::vector<std::string> merges;  ///< as the file spells them, quotes or brackets included
  std::string added, normalizer = "null", preTokenizer = kGpt2Stage, postProcessor = "null", more;  ///< more: further keys of the model

  std::string text() const {
    std::string vocab, list;
    for (size_t i = 0; i < tokens.size(); ++i) vocab += fmt::format("{}{}: {}", i == 0 ? "" : ", ", jsonQuoted(tokens[i]), i);
    for (size_t i = 0; i < merges.size(); ++i) list += (i == 0 ? "" : ", ") + merges[i];
    return fmt::format(
        R"({{"version": "1.0", "added_tokens": [{}], "normalizer": {}, "pre_tokenizer": {}, "post_processor": {}, "decoder": null, )"
        R"("model": {{"type": "BPE"{}, "vocab": {{{}}}, "merges": [{}]}}}})",
        added, normalizer, preTokenizer, postProcessor, more, vocab, list);
  }
};

inline std::string addedToken(int id, const std::string& content, const std::string& flags = R"("special": true)") {
  return fmt::format(R"({{"id": {}, "content": {}, {}}})", id, jsonQuoted(content), flags);
}

inline std::string bosTemplate(const std::string& name, int id) {
  return fmt::format(
      R"({{"type": "TemplateProcessing", "single": [{{"SpecialToken": {{"id": "{0}", "type_id": 0}}}}, {{"Sequence": {{"id": "A", )"
      R"("type_id": 0}}}}], "special_tokens": {{"{0}": {{"id": "{0}", "ids": [{1}], "tokens": ["{0}"]}}}}}})",
      name, id);
}

/// Llama 2's: blanks as U+2581, bytes for what has no token, ids 0 to 2 its control tokens.
inline HfText llama2Style(std::vector<std::string> tokens, std::vector<std::string> merges) {
  return {.tokens = std::move(tokens),
          .merges = std::move(merges),
          .added = addedToken(0, "<unk>") + "," + addedToken(1, "<s>") + "," + addedToken(2, "</s>"),
          .normalizer = kLlama2Normalizer,
          .preTokenizer = "null",
          .postProcessor = bosTemplate("<s>", 1),
          .more = R"(, "unk_token": "<unk>", "byte_fallback": true, "fuse_unk": true)"};
}

/// The SentencePiece vocabulary of a GGUF file: its merges are all ways to cut a token into two, the highest score first.
inline HfText llama2Style(const Metadata& metadata) {
  auto tokens = need(metadata.strings("tokenizer.ggml.tokens"));
  std::vector<float> scores = need(metadata.floats("tokenizer.ggml.scores"));
  std::map<std::string_view, size_t> ids;
  for (size_t id = 0; id < tokens.size(); ++id) ids[tokens[id]] = id;
  std::vector<std::pair<float, std::string>> found;
  for (size_t id = 259; id < tokens.size(); ++id)  // behind the control tokens and the bytes
    for (size_t cut = 1; cut < tokens[id].size(); ++cut)
      if (ids.count(tokens[id].substr(0, cut)) != 0 && ids.count(tokens[id].substr(cut)) != 0)
        found.emplace_back(scores[id], jsonQuoted(fmt::format("{} {}", tokens[id].substr(0, cut), tokens[id].substr(cut))));
  std::stable_sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
  std::vector<std::string> merges;
  for (auto& [score, merge] : found) merges.push_back(std::move(merge));
  return llama2Style(std::vector<std::string>(tokens.begin(), tokens.end()), std::move(merges));
}

}  // namespace quern
