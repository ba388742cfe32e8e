// models/tokenizer/HfTemplate.cpp — the post-processors of a tokenizer.json: what goes around a text. See HfStages.h.
#include "models/tokenizer/HfStages.h"

#include "compiler/base/Text.h"

#include <fmt/format.h>

namespace quern {

/// Ids on one side of a text: more are no template of anybody's.
static constexpr size_t kMostAround = 16;

/// The id of {"SpecialToken": {"id": NAME}} by the stage's table of special tokens; -1 for the text itself.
Result<int32_t> HfStages::specialId(const JsonValue& stage, const JsonValue& step) const {
  if (step.find("Sequence") != nullptr) return -1;
  const JsonValue* token = step.find("SpecialToken");
  const JsonValue* name = token == nullptr ? nullptr : token->find("id");
  const auto* text = name == nullptr ? nullptr : name->as<std::string>();
  if (text == nullptr) return bad(fmt::format("'{}.single' has a step that is neither Sequence nor SpecialToken", where_));
  const JsonValue* table = stage.find("special_tokens");
  const JsonValue* entry = table == nullptr ? nullptr : table->find(*text);
  const JsonValue* ids = entry == nullptr ? nullptr : entry->find("ids");
  const auto* list = ids == nullptr ? nullptr : ids->as<JsonArray>();
  auto id = list == nullptr || list->size() != 1 ? std::nullopt : (*list)[0].integer();
  if (!id || *id < 0 || *id >= kMaxTokens)
    return bad(fmt::format("'{}.special_tokens' has no single id for '{}'", where_, escapedShort(*text)));
  return static_cast<int32_t>(*id);
}

/// "cls": ["[CLS]", 101]
Result<int32_t> HfStages::pairedId(const JsonValue& stage, std::string_view key) const {
  const JsonValue* pair = stage.find(key);
  const auto* list = pair == nullptr ? nullptr : pair->as<JsonArray>();
  auto id = list == nullptr || list->size() != 2 ? std::nullopt : (*list)[1].integer();
  if (!id || *id < 0 || *id >= kMaxTokens) return bad(fmt::format("'{}.{}' is no pair of a token and its id", where_, key));
  return static_cast<int32_t>(*id);
}

Result<void> HfStages::postProcessor(const JsonValue& stage, std::string_view type) {
  if (type == "ByteLevel") return {};
  if (type == "BertProcessing" || type == "RobertaProcessing") {
    auto before = pairedId(stage, "cls"), behind = pairedId(stage, "sep");
    if (!before) return before.error();
    if (!behind) return behind.error();
    pipeline.before = {*before};
    pipeline.behind = {*behind};
    return {};
  }
  if (type != "TemplateProcessing") return unsupported(type, "ByteLevel, TemplateProcessing, BertProcessing, RobertaProcessing, Sequence");
  const JsonValue* single = stage.find("single");
  const auto* steps = single == nullptr ? nullptr : single->as<JsonArray>();
  if (steps == nullptr) return bad(fmt::format("'{}.single' is not an array", where_));
  int texts = 0;
  pipeline.before.clear();
  pipeline.behind.clear();
  for (const JsonValue& step : *steps) {
    auto id = specialId(stage, step);
    if (!id) return id.error();
    std::vector<int32_t>& side = texts == 0 ? pipeline.before : pipeline.behind;
    if (*id < 0) ++texts;
    else side.push_back(*id);
    if (side.size() > kMostAround)
      return bad(fmt::format("'{}.single' puts more than {} tokens on one side of the text", where_, kMostAround));
  }
  if (texts != 1) return bad(fmt::format("'{}.single' has the text {} times, once is needed", where_, texts));
  return {};
}

}  // namespace quern
