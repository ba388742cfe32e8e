// models/chat/ChatTemplate.h — a conversation as the text that a model was taught on, and its ids.
#pragma once

#include "compiler/base/Result.h"
#include "models/chat/ChatForm.h"
#include "models/files/WeightFiles.h"
#include "models/tokenizer/Tokenizer.h"

#include <span>

namespace quern {

/// A rendered conversation. What the template wrote may be control tokens; what people and models said is text, whatever it spells.
struct ChatText {
  std::string text;
  std::vector<TextRange> written;  ///< the template's own, ascending
};

/// What a template names beside messages.
struct ChatNames {
  std::string bos, eos;  ///< as the tokenizer spells them; "": none
  int year = 2024, month = 7, day = 26;
  /// Of a model, today. Errors: as Tokenizer::spelling.
  static Result<ChatNames> of(const Tokenizer& tokenizer);
};

/// How a model writes conversations: one of the known families.
class ChatTemplate {
public:
  /// By the file's own `chat_template`: GGUF's tokenizer.chat_template, a folder's chat_template.jinja or tokenizer_config.json.
  /// Errors   BadInput: there is none; it is of no known family, which is said and never guessed; one that is too long.
  static Result<ChatTemplate> ofFiles(const WeightFiles& files);
  /// Errors   BadInput naming `file`: of no known family.
  static Result<ChatTemplate> ofText(std::string_view text, const std::string& file);
  /// A family's own template. Errors: BadCommand listing the names.
  static Result<ChatTemplate> named(const std::string& name);
  /// The text of that template. Errors: as named().
  static Result<std::string> standard(const std::string& name);
  static std::vector<std::string> names();

  const std::string& family() const { return family_; }
  const ChatForm& form() const { return form_; }

  /// The conversation, up to where the model goes on: system message or none, then user and assistant in turn, the last a user's.
  /// Errors   BadInput: another order; roles that are not known; a system message where the template has no place for one.
  Result<ChatText> render(std::span<const ChatMessage> messages, const ChatNames& names) const;

private:
  ChatTemplate(std::string family, ChatForm form) : family_(std::move(family)), form_(std::move(form)) {}

  std::string family_;
  ChatForm form_;
};

/// The ids of a rendered conversation; begin-of-text once, where the template or the tokenizer has it first.
/// Errors   BadInput: as Tokenizer::encode.
Result<std::vector<int32_t>> encodeChat(const Tokenizer& tokenizer, const ChatText& chat);

}  // namespace quern
