// models/chat/ChatFamily.h — the families of templates that are known: each a template of its own, and how others of it are told.
#pragma once

#include "models/chat/TemplateReader.h"

#include <optional>
#include <span>

namespace quern {

/// One of --chat-template. `standard` is written as a model's file would have it, and so says what the name means by itself.
struct ChatFamily {
  std::string_view name;
  std::string_view standard;
  /// The form of a template of this family; nothing for one that writes anything else than the family does.
  std::optional<ChatForm> (*recognise)(const TemplateReader& reader);
  /// A condition that only its templates have; "": none.
  std::string_view ownCondition = {};
};

/// In the order in which they are asked.
std::span<const ChatFamily> chatMlFamilies();  ///< chatml, qwen3, qwq, olmo3, smollm3, phi4
std::span<const ChatFamily> headerFamilies();  ///< llama3, llama3.1, granite, gpt-oss, gemma, gemma3
std::span<const ChatFamily> instFamilies();    ///< llama2, mistral-v1, mistral-v3, mistral-tekken, mistral-v7
std::span<const ChatFamily>
speakerFamilies();  ///< phi4-mini, tulu, openchat, starcoder2, deepseek-coder, phi3, zephyr, deepseek2, deepseek3, deepseek-r1

}  // namespace quern
