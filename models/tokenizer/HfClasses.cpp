// models/tokenizer/HfClasses.cpp — see HfClasses.h.
#include "models/tokenizer/HfClasses.h"

#include "compiler/base/Text.h"
#include "models/tokenizer/HfBeside.h"

#include <algorithm>
#include <fmt/format.h>
#include <span>

namespace quern {

namespace {

constexpr std::string_view kGpt2Classes[] = {"GPT2Tokenizer", "CodeGenTokenizer", "GPTNeoXTokenizer"};
constexpr std::string_view kRobertaClasses[] = {"RobertaTokenizer", "LongformerTokenizer", "BartTokenizer"};
constexpr std::string_view kBertClasses[] = {"BertTokenizer", "DistilBertTokenizer", "ElectraTokenizer", "MobileBertTokenizer",
                                             "RetriBertTokenizer"};
constexpr std::string_view kSentencePieceClasses[] = {"LlamaTokenizer",    "CodeLlamaTokenizer", "GemmaTokenizer",
                                                      "T5Tokenizer",       "MistralTokenizer",   "BaichuanTokenizer",
                                                      "InternLMTokenizer", "InternLM2Tokenizer", "PreTrainedTokenizer"};
constexpr const char* kQwen2Regex =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* kClipRegex = R"('s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+)";

JsonValue text(std::string_view value) { return {std::string(value)}; }

JsonValue byteLevel(bool prefix, bool regex) {
  return {JsonObject{{"type", text("ByteLevel")}, {"add_prefix_space", {prefix}}, {"use_regex", {regex}}}};
}

JsonValue splitBy(const char* regex, const char* behavior, bool invert) {
  return {JsonObject{
      {"type", text("Split")}, {"pattern", {JsonObject{{"Regex", text(regex)}}}}, {"behavior", text(behavior)}, {"invert", {invert}}}};
}

JsonValue sequence(const char* list, JsonArray parts) { return {JsonObject{{"type", text("Sequence")}, {list, {std::move(parts)}}}}; }

class ClassReader {
public:
  ClassReader(const HfTokenizerTexts& texts, const JsonValue& config, const HfVocabulary& vocabulary)
      : texts_(texts), config_(config), fields_(texts.configFile, config), vocabulary_(vocabulary) {}

  Result<HfClassStages> merges();
  Result<HfClassStages> words();
  Result<void> known(std::span<const std::string_view> classes) const;

private:
  /// LlamaTokenizerFast is LlamaTokenizer.
  std::string_view className() const {
    std::string_view name = namedText(config_, "tokenizer_class");
    if (name.ends_with("Fast")) name.remove_suffix(4);
    return name;
  }
  bool isOneOf(std::span<const std::string_view> classes) const {
    return std::find(classes.begin(), classes.end(), className()) != classes.end();
  }
  Result<bool> flag(std::string_view key, bool fallback) const {
    auto given = fields_.boolean(key);
    if (!given) return given.error();
    return given->value_or(fallback);
  }
  std::string_view named(std::string_view key, std::string_view fallback) const {
    std::string_view given = namedText(config_, key);
    return given.empty() ? fallback : given;
  }
  void addSpecial(HfClassStages& stages, std::string_view token) const;
  void addAround(HfClassStages& stages, std::string_view before, std::string_view behind) const;

  const HfTokenizerTexts& texts_;
  const JsonValue& config_;
  JsonFields fields_;
  const HfVocabulary& vocabulary_;
};

Result<void> ClassReader::known(std::span<const std::string_view> classes) const {
  if (className().empty() || isOneOf(classes)) return {};
  std::vector<std::string> names(classes.begin(), classes.end());
  return badInput(fmt::format("{}: 'tokenizer_class' is '{}', without a tokenizer.json these are read: {}", escaped(texts_.configFile),
                              escapedShort(className()), join(names, ", ")));
}

/// A token that has been added before keeps what was said of it.
void ClassReader::addSpecial(HfClassStages& stages, std::string_view token) const {
  int32_t id = vocabulary_.idBefore(token);
  bool there = vocabulary_.hasAdded(token);
  for (const JsonValue& one : stages.added) there = there || namedText(one, "content") == token;
  if (id < 0 || there) return;
  stages.added.push_back({JsonObject{{"id", {int64_t{id}}}, {"content", text(token)}, {"special", {true}}}});
}

void ClassReader::addAround(HfClassStages& stages, std::string_view before, std::string_view behind) const {
  int32_t first = vocabulary_.idBefore(before), last = vocabulary_.idBefore(behind);
  if (first < 0 || last < 0) return;
  stages.postProcessor = {JsonObject{{"type", text("BertProcessing")},
                                     {"cls", {JsonArray{text(before), {int64_t{first}}}}},
                                     {"sep", {JsonArray{text(behind), {int64_t{last}}}}}}};
}

Result<HfClassStages> ClassReader::merges() {
  std::vector<std::string_view> all(std::begin(kGpt2Classes), std::end(kGpt2Classes));
  all.insert(all.end(), std::begin(kRobertaClasses), std::end(kRobertaClasses));
  all.insert(all.end(), {"Qwen2Tokenizer", "CLIPTokenizer"});
  if (auto good = known(all); !good) return good.error();
  auto prefix = flag("add_prefix_space", false);
  if (!prefix) return prefix.error();
  HfClassStages stages;
  JsonObject model = {{"type", text("BPE")}};
  bool roberta = isOneOf(kRobertaClasses), clip = className() == "CLIPTokenizer";
  stages.preTokenizer = byteLevel(*prefix, true);
  if (className() == "Qwen2Tokenizer") {
    stages.normalizer = {JsonObject{{"type", text("NFC")}}};
    stages.preTokenizer = sequence("pretokenizers", {splitBy(kQwen2Regex, "Isolated", false), byteLevel(*prefix, false)});
  }
  if (clip) {
    model.emplace_back("end_of_word_suffix", text("</w>"));
    JsonValue blanks = {
        JsonObject{{"type", text("Replace")}, {"pattern", {JsonObject{{"Regex", text(R"(\s+)")}}}}, {"content", text(" ")}}};
    stages.normalizer =
        sequence("normalizers", {{JsonObject{{"type", text("NFC")}}}, std::move(blanks), {JsonObject{{"type", text("Lowercase")}}}});
    stages.preTokenizer = sequence("pretokenizers", {splitBy(kClipRegex, "Removed", true), byteLevel(false, false)});
  }
  for (const char* key : {"bos_token", "eos_token", "unk_token", "pad_token", "cls_token", "sep_token", "mask_token"})
    addSpecial(stages, namedText(config_, key));
  if (roberta)
    for (const char* token : {"<s>", "<pad>", "</s>", "<unk>"}) addSpecial(stages, token);
  if (roberta) addAround(stages, named("cls_token", "<s>"), named("sep_token", "</s>"));
  if (clip) addAround(stages, named("bos_token", "<|startoftext|>"), named("eos_token", "<|endoftext|>"));
  stages.model = {std::move(model)};
  return stages;
}

Result<HfClassStages> ClassReader::words() {
  if (auto good = known(kBertClasses); !good) return good.error();
  auto lower = flag("do_lower_case", true), chinese = flag("tokenize_chinese_chars", true), basic = flag("do_basic_tokenize", true);
  for (const auto* one : {&lower, &chinese, &basic})
    if (!*one) return one->error();
  if (!*basic) return badInput(fmt::format("{}: 'do_basic_tokenize' is false, true is supported", escaped(texts_.configFile)));
  auto strip = flag("strip_accents", *lower);
  if (!strip) return strip.error();
  HfClassStages stages;
  std::string_view unknown = named("unk_token", "[UNK]");
  stages.model = {JsonObject{{"type", text("WordPiece")}, {"unk_token", text(unknown)}}};
  stages.normalizer = {JsonObject{
      {"type", text("BertNormalizer")}, {"handle_chinese_chars", {*chinese}}, {"strip_accents", {*strip}}, {"lowercase", {*lower}}}};
  stages.preTokenizer = {JsonObject{{"type", text("BertPreTokenizer")}}};
  std::string_view before = named("cls_token", "[CLS]"), behind = named("sep_token", "[SEP]");
  for (std::string_view token : {unknown, before, behind, named("pad_token", "[PAD]"), named("mask_token", "[MASK]")})
    addSpecial(stages, token);
  addAround(stages, before, behind);
  return stages;
}

}  // namespace

Result<HfClassStages> hfClassStages(const HfTokenizerTexts& texts, const JsonValue& config, const HfVocabulary& vocabulary) {
  ClassReader reader(texts, config, vocabulary);
  return texts.form == HfForm::VocabTxt ? reader.words() : reader.merges();
}

Result<void> checkSentencePieceClass(const HfTokenizerTexts& texts, const JsonValue& config) {
  return ClassReader(texts, config, HfVocabulary("")).known(kSentencePieceClasses);
}

}  // namespace quern
