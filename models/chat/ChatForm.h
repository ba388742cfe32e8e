// models/chat/ChatForm.h — how a family of models writes a conversation: data, which ChatTemplate renders.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace quern {

/// One message. Roles: system, user, assistant.
struct ChatMessage {
  std::string role, content;
};

/// Stand in a form's texts for what the model's files call begin-of-text and end-of-text, and for today: March 07, 2026 and 2026-03-07.
inline constexpr char kBosMark = '\x01', kEosMark = '\x02', kDayMark = '\x03', kIsoDayMark = '\x04';
inline constexpr std::string_view kMarks = "\x01\x02\x03\x04";

/// What stands around one message.
struct TurnForm {
  std::string before, after;
  bool trim = false;  ///< white space at the content's ends goes
};

/// Where the system message stands, which is the first of a conversation.
enum class SystemPlace : uint8_t {
  Turn,       ///< first, as a turn of its own
  FirstUser,  ///< in front of the first user message, inside its turn
  LastUser,   ///< in front of the last user message
  Refused,    ///< the template has no place for it and says so
  Dropped,    ///< the template leaves it out without a word
};

/// What becomes of an assistant's thoughts in earlier turns.
enum class Thoughts : uint8_t {
  Kept,
  KeptWithoutLines,  ///< but ends of lines in front of an answer go
  UpToQuery,         ///< what is up to </think> goes in answers before the last user message, as Qwen 3 has it
  Dropped,           ///< what is up to the last </think> goes
  DroppedWithLines,  ///< and ends of lines in front of the rest, in answers without thoughts too
};

/// Text in front of everything that a form's data cannot say.
enum class Preamble : uint8_t {
  None,
  KnowledgeDate,  ///< Llama 3.1: the first turn has dates, system message or not
  Harmony,        ///< gpt-oss: a system turn of the template's own; the system message is a developer's
  Modes,          ///< SmolLM 3: the date, /think or /no_think as the system message asks, and what it says beside
};

struct ChatForm {
  std::string variant;  ///< the family's name where one recogniser tells several apart; "": its own
  bool bos = false;     ///< begin-of-text first
  std::string opening;  ///< a text of the template's own, in front of all messages
  TurnForm system, user, assistant;
  SystemPlace systemPlace = SystemPlace::Turn;
  std::string withoutSystem;      ///< a text of the template's own where the conversation has no system message
  bool skipsEmptySystem = false;  ///< an empty one is as none
  bool trimsJoined = false;       ///< Llama 2: system and first user message are trimmed together
  bool alternates = false;        ///< other orders than user, assistant, user ... are refused
  Thoughts thoughts = Thoughts::Kept;
  Preamble preamble = Preamble::None;
  std::string briefSystem;  ///< Modes: withoutSystem of a conversation without thoughts
  std::string fixedDate;    ///< KnowledgeDate: the template's own date; "": today
  std::string answer;       ///< behind the last user message: where the model goes on
  std::string goesOn;       ///< a control token that ends texts elsewhere, but here only a part of an answer ("": none)
  std::string contentMark;  ///< a control token behind which an answer's text begins anew ("": none)
};

}  // namespace quern
