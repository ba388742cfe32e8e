// models/tokenizer/HfNormalizer.cpp — the normalizers of a tokenizer.json. See HfStages.h.
#include "models/tokenizer/HfStages.h"

#include "compiler/base/Text.h"
#include "models/tokenizer/PatternCutter.h"

#include <fmt/format.h>
#include <optional>

namespace quern {

/// RFC 4648's alphabet with + and /; nullopt for a text that is none.
static std::optional<std::string> bytesOfBase64(std::string_view text) {
  auto valueOf = [](char c) {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
  };
  if (text.size() % 4 != 0) return std::nullopt;
  for (int i = 0; i < 2 && text.ends_with('='); ++i) text.remove_suffix(1);
  std::string out;
  out.reserve(text.size() / 4 * 3 + 2);
  uint32_t bits = 0;
  int count = 0;
  for (char c : text) {
    int value = valueOf(c);
    if (value < 0) return std::nullopt;
    bits = bits << 6 | static_cast<uint32_t>(value);
    if ((count += 6) < 8) continue;
    count -= 8;
    out += static_cast<char>(bits >> count & 0xff);
  }
  return out;
}

Result<void> HfStages::replace(const JsonValue& stage) {
  auto pattern = patternOf(stage);
  if (!pattern) return pattern.error();
  auto content = JsonFields(file_, stage).string("content");
  if (!content) return content.error();
  if (!*content) return bad(fmt::format("'{}.content' is missing, a string is needed", where_));
  pipeline.normal.push_back({.kind = NormalKind::Replace, .text = std::string(**content), .pattern = std::move(*pattern)});
  return {};
}

Result<void> HfStages::precompiled(const JsonValue& stage) {
  auto text = JsonFields(file_, stage).string("precompiled_charsmap");
  if (!text) return text.error();
  auto bytes = bytesOfBase64(text->value_or(""));
  if (!bytes) return bad(fmt::format("'{}.precompiled_charsmap' is no base64", where_));
  if (!bytes->empty()) pipeline.normal.push_back({.kind = NormalKind::Charsmap, .text = std::move(*bytes)});
  return {};
}

Result<void> HfStages::bert(const JsonValue& stage) {
  auto clean = flag(stage, "clean_text", true), chinese = flag(stage, "handle_chinese_chars", true), lower = flag(stage, "lowercase", true);
  for (const auto* one : {&clean, &chinese, &lower})
    if (!*one) return one->error();
  auto strip = flag(stage, "strip_accents", *lower);
  if (!strip) return strip.error();
  pipeline.normal.push_back({.kind = NormalKind::Bert, .clean = *clean, .chinese = *chinese, .stripMarks = *strip, .lower = *lower});
  return {};
}

Result<void> HfStages::normalizer(const JsonValue& stage, std::string_view type) {
  struct Plain {
    std::string_view name;
    NormalKind kind;
  };
  constexpr Plain kPlain[] = {{"NFC", NormalKind::Nfc},
                              {"NFD", NormalKind::Nfd},
                              {"NFKC", NormalKind::Nfkc},
                              {"NFKD", NormalKind::Nfkd},
                              {"Lowercase", NormalKind::Lowercase},
                              {"StripAccents", NormalKind::StripAccents},
                              {"Nmt", NormalKind::Nmt},
                              {"ByteLevel", NormalKind::ByteLevel}};
  for (const Plain& plain : kPlain)
    if (plain.name == type) {
      pipeline.normal.push_back({.kind = plain.kind});
      return {};
    }
  if (type == "Replace") return replace(stage);
  if (type == "Precompiled") return precompiled(stage);
  if (type == "BertNormalizer") return bert(stage);
  if (type == "Prepend") {
    auto text = needed(stage, "prepend");
    if (!text) return text.error();
    pipeline.normal.push_back({.kind = NormalKind::Prepend, .text = std::move(*text)});
    return {};
  }
  if (type == "Strip") {
    auto left = flag(stage, "strip_left", true), right = flag(stage, "strip_right", true);
    if (!left) return left.error();
    if (!right) return right.error();
    pipeline.normal.push_back({.kind = NormalKind::Strip, .left = *left, .right = *right});
    return {};
  }
  return unsupported(type,
                     "NFC, NFD, NFKC, NFKD, Lowercase, StripAccents, Strip, Prepend, Replace, Nmt, Precompiled, ByteLevel, "
                     "BertNormalizer, Sequence");
}

}  // namespace quern
