// tests/tokenizer/HfText.h — small tokenizer.json files, put together from parts.
#pragma once

#include "models/tokenizer/HfTokenizer.h"
#include "models/tokenizer/Tokenizer.h"

#include <fmt/format.h>
#include <string>
#include <string_view>
#include <vector>

namespace quern {

inline constexpr const char* kGpt2Stage = R"({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true})";
inline constexpr const char* kLlama3Regex = R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+)";
inline constexpr const char* kQwen2Regex = R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+)";
inline constexpr const char* kLlama2Normalizer =
    R"({"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "▁"}, {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]})";

inline std::string splitStage(const std::string& regex) {
  return R"({"type": "Sequence", "pretokenizers": [{"type": "Split", "pattern": {"Regex": ")" + regex +
         R"("}, "behavior": "Isolated", "invert": false}, {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false}]})";
}

inline std::string jsonQuoted(std::string_view text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (static_cast<unsigned char>(c) < 0x20)
      out += fmt::format("\\u{:04x}", static_cast<int>(c));
    else
      out += c;
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
    return fmt::format(R"({{"version": "1.0", "added_tokens": [{}], "normalizer": {}, "pre_tokenizer": {}, "post_processor": {}, "decoder": null, "model": {{"type": "BPE"{}, "vocab": {{{}}}, "merges": [{}]}}}})",
                       added, normalizer, preTokenizer, postProcessor, more, vocab, list);
  }
};

inline std::string addedToken(int id, const std::string& content, const std::string& flags = R"("special": true)") {
  return fmt::format(R"({{"id": {}, "content": {}, {}}})", id, jsonQuoted(content), flags);
}

inline std::string bosTemplate(const std::string& name, int id) {
  return fmt::format(R"({{"type": "TemplateProcessing", "single": [{{"SpecialToken": {{"id": "{0}", "type_id": 0}}}}, {{"Sequence": {{"id": "A", "type_id": 0}}}}], "special_tokens": {{"{0}": {{"id": "{0}", "ids": [{1}], "tokens": ["{0}"]}}}}}})", name, id);
}

}  // namespace quern
