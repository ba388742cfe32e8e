// models/chat/ChatTemplate.cpp — see ChatTemplate.h. Rendering: ChatRender.cpp.
#include "models/chat/ChatTemplate.h"

#include "compiler/base/InputFile.h"
#include "compiler/base/Text.h"
#include "models/chat/ChatFamily.h"
#include "models/chat/TemplateCode.h"
#include "models/files/FolderPath.h"

#include <algorithm>
#include <ctime>
#include <filesystem>
#include <fmt/format.h>

namespace quern {

namespace {

std::vector<ChatFamily> families() {
  std::vector<ChatFamily> all;
  for (auto some : {chatMlFamilies(), headerFamilies(), instFamilies(), speakerFamilies()}) all.insert(all.end(), some.begin(), some.end());
  return all;
}

/// A template and where it stands.
struct Found {
  std::string text, file;
};

/// Of tokenizer_config.json: a text, or a list of named ones, of which "default" is for conversations.
Result<std::optional<Found>> templateOfConfig(const std::string& path) {
  auto text = readFile(path, kIndexJsonBytes);
  if (!text) return text.error();
  std::optional<Found> found;
  JsonPick pick{"chat_template", [&](const JsonPlace&, JsonValue&& value) -> Result<void> {
                  if (const auto* single = value.as<std::string>()) found = Found{*single, path};
                  const auto* list = value.as<JsonArray>();
                  for (const JsonValue& each : list != nullptr ? *list : JsonArray()) {
                    const JsonValue *name = each.find("name"), *body = each.find("template");
                    const auto* called = name != nullptr ? name->as<std::string>() : nullptr;
                    if (called != nullptr && *called == "default" && body != nullptr && body->as<std::string>() != nullptr)
                      found = Found{*body->as<std::string>(), path};
                  }
                  return {};
                }};
  if (auto good = pickJson({*text, path}, std::span(&pick, 1)); !good) return good.error();
  return found;
}

Result<std::optional<Found>> templateOf(const WeightFiles& files) {
  if (files.format() == WeightFormat::Gguf) {
    auto text = files.metadata().string("tokenizer.chat_template");
    if (!text) return text.error();
    if (!*text) return std::optional<Found>();
    return std::optional(Found{std::string(**text), files.path()});
  }
  std::string beside = pathIn(files.path(), "chat_template.jinja");
  std::error_code ignored;
  if (std::filesystem::exists(beside, ignored)) {
    auto text = readFile(beside, kTemplateBytes);
    if (!text) return text.error();
    return std::optional(Found{std::move(*text), beside});
  }
  if (files.tokenizerConfigPath().empty()) return std::optional<Found>();
  return templateOfConfig(files.tokenizerConfigPath());
}

std::string knownNames() { return join(ChatTemplate::names(), " "); }

}  // namespace

Result<ChatNames> ChatNames::of(const Tokenizer& tokenizer) {
  ChatNames names;
  for (auto [id, into] : {std::pair{tokenizer.bos(), &names.bos}, {tokenizer.eos(), &names.eos}}) {
    if (id < 0) continue;
    auto text = tokenizer.spelling(id);
    if (!text) return text.error();
    *into = *text;
  }
  std::time_t now = std::time(nullptr);
  std::tm today{};
  if (localtime_r(&now, &today) != nullptr) names.year = today.tm_year + 1900, names.month = today.tm_mon + 1, names.day = today.tm_mday;
  return names;
}

std::vector<std::string> ChatTemplate::names() {
  std::vector<std::string> out;
  for (const ChatFamily& each : families()) out.emplace_back(each.name);
  return out;
}

Result<ChatTemplate> ChatTemplate::ofText(std::string_view text, const std::string& file) {
  if (text.size() > static_cast<size_t>(kTemplateBytes))
    return badInput(fmt::format("{}: its chat template has {} bytes, at most {} are read", escaped(file), text.size(), kTemplateBytes));
  bool marks = text.find_first_of(kMarks) != std::string_view::npos;
  TemplateReader reader(marks ? "" : text);
  for (const ChatFamily& each : families())
    if (auto form = each.recognise(reader); form && reader.fits(*form, each.ownCondition)) {
      std::string family = form->variant.empty() ? std::string(each.name) : form->variant;
      return ChatTemplate(std::move(family), std::move(*form));
    }
  return badInput(fmt::format("{}: its chat template is of no family that is known; --chat-template NAME takes another: {}", escaped(file),
                              knownNames()));
}

Result<ChatTemplate> ChatTemplate::ofFiles(const WeightFiles& files) {
  auto found = templateOf(files);
  if (!found) return found.error();
  if (!*found)
    return badInput(fmt::format("{}: has no chat template: --chat-template NAME says how its conversations are written: {}",
                                escaped(files.path()), knownNames()));
  return ofText((*found)->text, (*found)->file);
}

Result<std::string> ChatTemplate::standard(const std::string& name) {
  for (const ChatFamily& each : families())
    if (each.name == name) return std::string(each.standard);
  return badCommand(fmt::format("--chat-template '{}' is not known{}; known: {}", escaped(name), didYouMean(name, names()), knownNames()));
}

Result<ChatTemplate> ChatTemplate::named(const std::string& name) {
  auto text = standard(name);
  return text ? ofText(*text, name) : Result<ChatTemplate>(text.error());
}

Result<std::vector<int32_t>> encodeChat(const Tokenizer& tokenizer, const ChatText& chat) {
  auto ids = tokenizer.encode(chat.text, {.addBos = false, .parseSpecial = true, .within = chat.written});
  if (!ids) return ids;
  if (tokenizer.addsBos() && (ids->empty() || (*ids)[0] != tokenizer.bos())) ids->insert(ids->begin(), tokenizer.bos());
  return ids;
}

}  // namespace quern
