// tools/quern/commands/ChatRendered.cpp — see ChatRendered.h.
#include "tools/quern/commands/ChatRendered.h"

#include "compiler/base/Text.h"
#include "tools/quern/cli/Json.h"
#include "tools/quern/cli/Output.h"
#include "tools/quern/cli/TextInput.h"

#include <fmt/format.h>

namespace quern {

/// Errors   BadInput naming the conversation and the message.
static Result<std::vector<ChatMessage>> conversationOf(const std::string& file, size_t place, const JsonValue& value) {
  std::vector<ChatMessage> out;
  const auto* list = value.as<JsonArray>();
  if (list == nullptr)
    return badInput(fmt::format("{}: conversation {} is {}, a list of messages is needed", escaped(file), place, value.kind()));
  for (const JsonValue& each : *list) {
    const JsonValue *role = each.find("role"), *content = each.find("content");
    const auto* roleText = role == nullptr ? nullptr : role->as<std::string>();
    const auto* contentText = content == nullptr ? nullptr : content->as<std::string>();
    if (roleText == nullptr || contentText == nullptr)
      return badInput(fmt::format("{}: conversation {}, message {}: \"role\" and \"content\" are needed, as texts", escaped(file), place,
                                  out.size() + 1));
    out.push_back({*roleText, *contentText});
  }
  return out;
}

Result<int> renderConversations(const CommandLine& line, const ChatTemplate& chat, const Tokenizer& tokenizer) {
  const std::string file = line.get("render");
  auto text = readText(file);
  if (!text) return text.error();
  auto given = parseJson({*text, file}, kIndexJsonBytes);
  if (!given) return given.error();
  const auto* list = given->as<JsonArray>();
  if (list == nullptr) return badInput(fmt::format("{}: is {}, a list of conversations is needed", escaped(file), given->kind()));
  auto names = ChatNames::of(tokenizer);
  if (!names) return names.error();
  std::vector<Json> out;
  for (size_t i = 0; i < list->size(); ++i) {
    auto messages = conversationOf(file, i + 1, (*list)[i]);
    if (!messages) return messages.error();
    auto rendered = chat.render(*messages, *names);
    auto ids = rendered ? encodeChat(tokenizer, *rendered) : Result<std::vector<int32_t>>(rendered.error());
    if (ids) out.push_back(Json{{"text", rendered->text}, {"ids", *ids}});
    else out.push_back(Json{{"error", ids.error().message}});
  }
  if (auto good = writeOut(jsonText(Json(out))); !good) return good.error();
  return 0;
}

}  // namespace quern
