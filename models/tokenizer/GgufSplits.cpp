// models/tokenizer/GgufSplits.cpp — see GgufSplits.h.
//
// Each name cuts as llama.cpp has it (src/llama-vocab.cpp): its expressions one after the other, each in the pieces of the one before.
// They are written so that no text makes a match look at it more than a fixed number of times.
#include "models/tokenizer/GgufSplits.h"

#include "models/tokenizer/PatternCutter.h"

#include <span>

namespace quern {

namespace {

constexpr std::string_view kDigit[] = {R"(\p{N})"};
constexpr std::string_view kThreeDigits[] = {R"(\p{N}{1,3})", R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}+|)"
                                                              R"( ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"};
constexpr std::string_view kFalcon[] = {R"([\p{P}\$\+<=>\^~\|`]+)",
                                        R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S))", R"([0-9][0-9][0-9])"};
/// Letters that have a case, as DeepSeek's first tokenizers list them.
constexpr std::string_view kDeepseekLetters =
    R"(\s?[)"
    R"(A-Za-z\x{B5}\x{C0}-\x{D6}\x{D8}-\x{F6}\x{F8}-\x{1BA}\x{1BC}-\x{1BF}\x{1C4}-\x{293}\x{295}-\x{2AF})"
    R"(\x{370}-\x{373}\x{376}-\x{377}\x{37B}-\x{37D}\x{37F}\x{386}\x{388}-\x{38A}\x{38C}\x{38E}-\x{3A1})"
    R"(\x{3A3}-\x{3F5}\x{3F7}-\x{481}\x{48A}-\x{52F}\x{531}-\x{556}\x{10A0}-\x{10C5}\x{13A0}-\x{13F5})"
    R"(\x{13F8}-\x{13FD}\x{1C90}-\x{1CBA}\x{1CBD}-\x{1CBF}\x{1D00}-\x{1D2B}\x{1D6B}-\x{1D77}\x{1D79}-\x{1D9A})"
    R"(\x{1E00}-\x{1F15}\x{1F18}-\x{1F1D}\x{1F20}-\x{1F45}\x{1F48}-\x{1F4D}\x{1F50}-\x{1F57}\x{1F59}\x{1F5B}\x{1F5D})"
    R"(\x{1F5F}-\x{1F7D}\x{1F80}-\x{1FB4}\x{1FB6}-\x{1FBC}\x{1FBE}\x{1FC2}-\x{1FC4}\x{1FC6}-\x{1FCC}\x{1FD0}-\x{1FD3})"
    R"(\x{1FD6}-\x{1FDB}\x{1FE0}-\x{1FEC}\x{1FF2}-\x{1FF4}\x{1FF6}-\x{1FFC}\x{2102}\x{2107}\x{210A}-\x{2113}\x{2115})"
    R"(\x{2119}-\x{211D}\x{2124}\x{2126}\x{2128}\x{212A}-\x{212D}\x{212F}-\x{2134}\x{2139}\x{213C}-\x{213F})"
    R"(\x{2145}-\x{2149}\x{214E}\x{2183}-\x{2184}\x{2C00}-\x{2C7B}\x{2C7E}-\x{2CE4}\x{2CEB}-\x{2CEE}\x{2CF2}-\x{2CF3})"
    R"(\x{A640}-\x{A66D}\x{A680}-\x{A69B}\x{A722}-\x{A76F}\x{A771}-\x{A787}\x{A78B}-\x{A78E}\x{AB70}-\x{ABBF})"
    R"(\x{FB00}-\x{FB06}\x{FB13}-\x{FB17}\x{FF21}-\x{FF3A}\x{FF41}-\x{FF5A}\x{10400}-\x{1044F}\x{104B0}-\x{104D3})"
    R"(\x{104D8}-\x{104FB}\x{10C80}-\x{10CB2}\x{10CC0}-\x{10CF2}\x{118A0}-\x{118DF}\x{1E900}-\x{1E943})"
    R"(]+)";
/// U+0800 to U+9FA5 and U+AC00 to U+D7FF: white space is none of them to llama.cpp, nor is U+3000 punctuation.
constexpr std::string_view kDeepseekAsian = R"([\x{800}-\x{167F}\x{1681}-\x{1FFF}\x{200B}-\x{2027}\x{202A}-\x{202E}\x{2030}-\x{205E})"
                                            R"(\x{2060}-\x{2FFF}\x{3001}-\x{9FA5}\x{AC00}-\x{D7FF}]+)";
constexpr std::string_view kDeepseekLlm[] = {
    R"([\r\n])",       kDeepseekLetters, R"(\s?[!-\/:-~\x{FF01}-\x{FF0F}\x{FF1A}-\x{FF5E}\x{2018}-\x{201F}\x{3001}\x{3002}]+)",
    R"((?<!\s)\s++$)", kDeepseekAsian,   R"(\p{N}+)"};
constexpr std::string_view kDeepseekCoder[] = {R"([\r\n])", R"(\s?\p{L}+)", R"(\s?\p{P}+)", kDeepseekAsian, R"(\p{N})"};
constexpr std::string_view kDeepseekV3[] = {R"(\p{N}{1,3})", R"([\x{4E00}-\x{9FA5}\x{3040}-\x{309F}\x{30A0}-\x{30FF}]+)",
                                            R"([!-\/:-@\[-`{-~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+|)"
                                            R"( ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"};
/// Scripts without blanks between words.
constexpr std::string_view kAfmoe[] = {
    R"([)"
    R"(\x{4E00}-\x{9FFF}\x{3400}-\x{4DBF}\x{8C48}-\x{FAFF}\x{3040}-\x{309F}\x{30A0}-\x{30FF})"
    R"(\x{FF65}-\x{FF9F}\x{2F00}-\x{2FDF}\x{E40}-\x{E7F}\x{E80}-\x{EFF}\x{1780}-\x{17FF}\x{1000}-\x{109F})"
    R"(\x{AA60}-\x{AA7F}\x{A9E0}-\x{A9FF}\x{AC00}-\x{D7AF}\x{1100}-\x{11FF})"
    R"(]+)",
    kDeepseekV3[2]};
constexpr std::string_view kSpark[] = {kDeepseekV3[0], kDeepseekV3[1],
                                       R"([!-\/:-@\[-`{-~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+|[\r\n]|)"
                                       R"(\s+(?!\S)|\s+)",
                                       R"(\p{N})"};
constexpr std::string_view kExaoneMoe[] = {R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?(?>\p{L}\p{M}*(?> \p{L}\p{M}*)*)++|)"
                                           R"(\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]?|\s*[\r\n]|\s+(?!\S)|\s+)"};
constexpr std::string_view kChameleon[] = {R"(<sentinel:[0-9]+>)", R"(IMGIMG[A-I]{1,4}Z)", R"([\t\n]|    |  )", R"(\p{N})",
                                           R"([\p{P}!-\/:-@\[-`{-~])"};
/// What is left by the complement: letters and marks.
constexpr std::string_view kGraniteSmall[] = {
    R"([^\r\n\p{L}\p{N}]?[^a-z\p{N}\p{P}\p{S}\p{Z}\p{C}]*[^A-Z\p{N}\p{P}\p{S}\p{Z}\p{C}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|)"
    R"([^\r\n\p{L}\p{N}]?[^a-z\p{N}\p{P}\p{S}\p{Z}\p{C}]+[^A-Z\p{N}\p{P}\p{S}\p{Z}\p{C}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|)"
    R"(\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)"};
constexpr std::string_view kTinyAya[] = {R"([^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|)"
                                         R"(\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)"};
constexpr std::string_view kNumbers[] = {R"(\p{N}+)"};
/// Chinese characters apart, as blocks; then letters that are none of them.
constexpr std::string_view kKimi[] = {
    R"([\x{4E00}-\x{9FFF}\x{3400}-\x{4DBF}\x{20000}-\x{2A6DF}\x{2A700}-\x{2EBEF}\x{F900}-\x{FAFF}\x{2F800}-\x{2FA1F}]+|)"
    R"([^\r\n\p{L}\p{N}]?[^\P{L}\x{4E00}-\x{9FFF}\x{3400}-\x{4DBF}\x{20000}-\x{2A6DF}\x{2A700}-\x{2EBEF}\x{F900}-\x{FAFF})"
    R"(\x{2F800}-\x{2FA1F}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|)"
    R"(\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"};
constexpr std::string_view kBloom[] = {R"( ?[^(\s|.,!?…。，、।۔،)]+)"};
constexpr std::string_view kViking[] = {R"( ?[^(\s|.,!?…。，、।۔،)]+)", R"(\p{N})"};
/// [^a-z\P{L}] is a letter but none of a-z.
constexpr std::string_view kTekken[] = {R"([^\r\n\p{L}\p{N}]?[^a-z\P{L}]*[^A-Z\P{L}]+|[^\r\n\p{L}\p{N}]?[^a-z\P{L}]+[^A-Z\P{L}]*|)"
                                        R"(\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)"};
constexpr std::string_view kGpt4o[] = {R"([^\r\n\p{L}\p{N}]?[^a-z\P{L}]*[^A-Z\P{L}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|)"
                                       R"([^\r\n\p{L}\p{N}]?[^a-z\P{L}]+[^A-Z\P{L}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|)"
                                       R"(\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)"};
constexpr std::string_view kYoutu[] = {
    R"([가-힣ㄱ-ㆎ]+|[！…“”‘’—：；，、-〿︰-﹏]+|[ㄅ-ㄯ]+|[\x{4E00}-\x{9FA5}\x{3040}-\x{309F}\x{30A0}-\x{30FF}]+)",
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|)"
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|)"
    R"(\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)"};
constexpr std::string_view kQwen35[] = {R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}|)"
                                        R"( ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"};
constexpr std::string_view kJais2[] = {R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|)"
                                       R"(\s*[\r\n]+|\s{512}(?!\S)|\s{256}(?!\S)|\s{128}(?!\S)|\s{64}(?!\S)|\s{32}(?!\S)|)"
                                       R"(\s{16}(?!\S)|\s{8}(?!\S)|\s{4}(?!\S)|\s{1,2}(?!\S)|\s{1})"};
constexpr std::string_view kBailing[] = {R"('(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|)"
                                         R"(\s*[\r\n]|\s+(?!\S)|\s+)"};
constexpr std::string_view kSeedCoder[] = {R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}\r\n]+|)"
                                           R"(\s*[\r\n]+|\s+(?!\S)|\s+)"};
constexpr std::string_view kUfakzeka[] = {R"([^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"};
constexpr std::string_view kLines[] = {R"([^\n]+|[\n]+)"};

struct Known {
  std::string_view name;
  std::span<const std::string_view> cuts;
  SplitRule rule = SplitRule::None;
  bool ignoreMerges = false, addBos = false;
  SplitRule first = SplitRule::None;  ///< before the cuts
  bool characters = false, wholeLines = false;
};
constexpr Known kKnown[] = {
    {"default", {}, SplitRule::GgufDefault},
    {"gpt-2", {}, SplitRule::Gpt2},
    {"phi-2", {}, SplitRule::Gpt2},
    {"mpt", {}, SplitRule::Gpt2},
    {"olmo", {}, SplitRule::Gpt2},
    {"jais", {}, SplitRule::Gpt2},
    {"exaone4", {}, SplitRule::Gpt2},
    {"gigachat", {}, SplitRule::Gpt2},
    {"a.x-4.0", {}, SplitRule::Gpt2},
    {"mellum", {}, SplitRule::Gpt2},
    {"trillion", {}, SplitRule::Gpt2},
    {"granite-docling", {}, SplitRule::Gpt2},
    {"modern-bert", {}, SplitRule::Gpt2},
    {"jina-es", {}, SplitRule::Gpt2},
    {"jina-de", {}, SplitRule::Gpt2},
    {"jina-v2-es", {}, SplitRule::Gpt2},
    {"jina-v2-de", {}, SplitRule::Gpt2},
    {"llama3", {}, SplitRule::Llama3, true, true},
    {"llama-v3", {}, SplitRule::Llama3, true, true},
    {"llama-bpe", {}, SplitRule::Llama3, true, true},
    {"falcon3", {}, SplitRule::Llama3, true, true},
    {"falcon-h1", {}, SplitRule::Llama3, true, true},
    {"pixtral", {}, SplitRule::Llama3, true, true},
    {"midm-2.0", {}, SplitRule::Llama3, true, true},
    {"lfm2", {}, SplitRule::Llama3, true, true},
    {"jina-v5-nano", {}, SplitRule::Llama3, true, true},
    {"dbrx", {}, SplitRule::Llama3},
    {"smaug-bpe", {}, SplitRule::Llama3},
    {"glm4", {}, SplitRule::Llama3},
    {"chatglm-bpe", {}, SplitRule::Llama3},
    {"qwen2", {}, SplitRule::Qwen2},
    {"stablelm2", {}, SplitRule::Qwen2},
    {"deepseek-r1-qwen", {}, SplitRule::Qwen2},
    {"kormo", {}, SplitRule::Qwen2},
    {"megrez", {}, SplitRule::Qwen2},
    {"f2llmv2", {}, SplitRule::Qwen2},
    {"hunyuan", {}, SplitRule::Qwen2},
    {"solar-open", {}, SplitRule::Qwen2},
    {"grok-2", {}, SplitRule::Qwen2},
    {"starcoder", kDigit, SplitRule::Gpt2},
    {"refact", kDigit, SplitRule::Gpt2},
    {"command-r", kDigit, SplitRule::Gpt2},
    {"smollm", kDigit, SplitRule::Gpt2},
    {"codeshell", kDigit, SplitRule::Gpt2},
    {"exaone", kDigit, SplitRule::Gpt2},
    {"minerva-7b", kDigit, SplitRule::Gpt2},
    {"mellum2", kDigit, SplitRule::Gpt2},
    {"falcon", kFalcon},
    {"deepseek-llm", kDeepseekLlm},
    {"deepseek-coder", kDeepseekCoder},
    {"deepseek-v3", kDeepseekV3},
    {"hunyuan-dense", kDeepseekV3},
    {"joyai-llm", kDeepseekV3},
    {"hy_v4", kDeepseekV3},
    {"youtu", kYoutu, SplitRule::None, true},
    {"tekken", kTekken, SplitRule::None, true, true},
    {"gpt-4o", kGpt4o},
    {"llama4", kGpt4o},
    {"kanana2", kGpt4o},
    {"talkie", kGpt4o},
    {"minimax-m2", kGpt4o},
    {"bloom", kBloom},
    {"gpt3-finnish", kBloom},
    {"poro-chat", kBloom},
    {"viking", kViking},
    {"qwen35", kQwen35},
    {"jais-2", kJais2},
    {"bailingmoe", kBailing},
    {"bailingmoe2", kBailing},
    {"llada-moe", kBailing},
    {"seed-coder", kSeedCoder},
    {"ufakzeka", kUfakzeka},
    {"laguna", kLines, SplitRule::Qwen2},
    {"minicpm5", kThreeDigits, SplitRule::None, true},
    {"jina-v1-en", {}, SplitRule::Gpt2},
    {"jina-v2-code", {}, SplitRule::Gpt2},
    {"roberta-bpe", {}, SplitRule::Gpt2},
    {"spark2_5", kSpark},
    {"exaone-moe", kExaoneMoe},
    {"chameleon", kChameleon, SplitRule::Gpt2, false, true},
    {"granite-embed-multi-97m", kGraniteSmall, SplitRule::None, true},
    {"superbpe", kNumbers, SplitRule::DigitTriples},
    {"tiny_aya", kTinyAya, SplitRule::None, false, false, SplitRule::NumberGroups},
    {"cohere2moe", kTinyAya, SplitRule::None, false, false, SplitRule::NumberGroups},
    {"afmoe", kAfmoe, SplitRule::None, false, false, SplitRule::NumberGroups},
    {"kimi-k2", kKimi},
    {"gemma4", kLines, SplitRule::None, false, true, SplitRule::None, true, true},
    {"granite-embed-multi-311m", kLines, SplitRule::None, false, true, SplitRule::None, true, true},
    {"sarvam-moe", kLines, SplitRule::None, false, false, SplitRule::None, true},
};

}  // namespace

bool findGgufSplit(std::string_view name, GgufSplit& split) {
  for (const Known& known : kKnown) {
    if (known.name != name) continue;
    split = {{}, known.rule, known.ignoreMerges, known.addBos, known.characters, known.wholeLines};
    if (known.first != SplitRule::None) split.cuts.push_back({.pattern = "", .kind = CutKind::Rule, .rule = known.first});
    for (std::string_view pattern : known.cuts) split.cuts.push_back({*pcrePattern(pattern)});
    return true;
  }
  return false;
}

std::vector<std::string> ggufSplitNames() {
  std::vector<std::string> names;
  for (const Known& known : kKnown) names.emplace_back(known.name);
  return names;
}

}  // namespace quern
