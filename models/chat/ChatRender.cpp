// models/chat/ChatRender.cpp — a form and messages become text: ChatTemplate::render.
#include "compiler/base/Text.h"
#include "models/chat/ChatTemplate.h"
#include "models/tokenizer/Utf8.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>

namespace quern {

namespace {

/// What Python's str.strip takes away, as Jinja's trim does.
bool isPythonSpace(uint32_t c) {
  return (c >= 9 && c <= 13) || (c >= 0x1c && c <= 0x20) || c == 0x85 || c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) ||
         c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
}

std::string_view trimmedLeft(std::string_view text) {
  while (!text.empty()) {
    Utf8Char c = utf8At(text, 0);
    if (!c.valid || !isPythonSpace(c.value)) break;
    text.remove_prefix(c.bytes);
  }
  return text;
}

std::string_view trimmedRight(std::string_view text) {
  size_t end = 0;
  for (size_t at = 0; at < text.size();) {
    Utf8Char c = utf8At(text, at);
    at += c.bytes;
    if (!c.valid || !isPythonSpace(c.value)) end = at;
  }
  return text.substr(0, end);
}

std::string_view withoutFirstLines(std::string_view text) {
  while (text.starts_with('\n')) text.remove_prefix(1);
  return text;
}

std::string_view withoutLines(std::string_view text) {
  while (text.ends_with('\n')) text.remove_suffix(1);
  return withoutFirstLines(text);
}

std::string without(std::string_view text, std::string_view words) {
  std::string out;
  size_t at = 0;
  for (size_t next = text.find(words); next != std::string_view::npos; at = next + words.size(), next = text.find(words, at))
    out += text.substr(at, next - at);
  return out += text.substr(at);
}

std::string_view monthName(const ChatNames& names) {
  static constexpr std::array<std::string_view, 12> kMonths = {"January", "February", "March",     "April",   "May",      "June",
                                                               "July",    "August",   "September", "October", "November", "December"};
  return kMonths[static_cast<size_t>(std::clamp(names.month, 1, 12) - 1)];
}

std::string dayText(const ChatNames& names) { return fmt::format("{:02} {} {}", names.day, monthName(names).substr(0, 3), names.year); }
std::string isoDay(const ChatNames& names) { return fmt::format("{:04}-{:02}-{:02}", names.year, names.month, names.day); }

constexpr std::string_view kNoThoughts = "<think>\n\n</think>\n";

class Writer {
public:
  Writer(const ChatForm& form, std::span<const ChatMessage> messages, const ChatNames& names)
      : form_(form), messages_(messages), names_(names) {}

  ChatText run() {
    if (form_.bos) write(std::string_view(&kBosMark, 1));
    write(form_.opening);
    bool given = messages_[0].role == "system";
    if (given) system_ = messages_[0].content;
    if (form_.skipsEmptySystem && system_ && system_->empty()) system_.reset();
    preamble();
    if (form_.systemPlace == SystemPlace::Turn && form_.preamble != Preamble::KnowledgeDate && form_.preamble != Preamble::Modes) {
      if (system_) turn(form_.system, *system_);
      else if (!given) write(form_.withoutSystem);
    }
    lastUser_ = messages_.size() - 1;
    firstUser_ = given ? 1 : 0;
    findQuery();
    for (size_t i = firstUser_; i < messages_.size(); ++i) {
      if (messages_[i].role == "user") user(i);
      else assistant(i);
    }
    write(form_.answer);
    if (brief_) write(kNoThoughts);
    return std::move(out_);
  }

private:
  /// Of the template, marks replaced.
  void write(std::string_view text) {
    if (text.empty()) return;
    if (out_.written.empty() || out_.written.back().end != out_.text.size()) out_.written.push_back({out_.text.size(), 0});
    for (char c : text) {
      if (c == kBosMark) out_.text += names_.bos;
      else if (c == kEosMark) out_.text += names_.eos;
      else if (c == kDayMark) out_.text += fmt::format("{} {:02}, {}", monthName(names_), names_.day, names_.year);
      else if (c == kIsoDayMark) out_.text += isoDay(names_);
      else out_.text += c;
    }
    out_.written.back().end = out_.text.size();
  }
  void say(std::string_view text) { out_.text += text; }

  void turn(const TurnForm& form, std::string_view content) {
    write(form.before);
    say(form.trim ? trimmedLeft(trimmedRight(content)) : content);
    write(form.after);
  }

  void preamble() {
    if (form_.preamble == Preamble::KnowledgeDate) {
      write(form_.system.before);
      write(fmt::format("Cutting Knowledge Date: December 2023\nToday Date: {}\n\n",
                        form_.fixedDate.empty() ? dayText(names_) : form_.fixedDate));
      if (system_) say(trimmedLeft(trimmedRight(*system_)));
      write(form_.system.after);
    } else if (form_.preamble == Preamble::Harmony) {
      write(
          fmt::format("<|start|>system<|message|>You are ChatGPT, a large language model trained by OpenAI.\nKnowledge cutoff: 2024-06\n"
                      "Current date: {}\n\nReasoning: medium\n\n"
                      "# Valid channels: analysis, commentary, final. Channel must be included for every message.<|end|>",
                      isoDay(names_)));
    } else if (form_.preamble == Preamble::Modes) {
      modes();
    }
  }

  /// The turn ends only where the system message takes all of it, as the models were trained.
  void modes() {
    std::string asked = system_.value_or("");
    brief_ = asked.find("/no_think") != std::string::npos;
    bool all = asked.find("/system_override") != std::string::npos;
    for (std::string_view mode : {"/no_think", "/think"}) asked = without(asked, mode);
    asked = trimmedRight(asked);
    write(form_.system.before);
    if (all) {
      say(trimmedRight(without(asked, "/system_override")));
      return write(form_.system.after);
    }
    write(fmt::format(
        "## Metadata\n\nKnowledge Cutoff Date: June 2025\nToday Date: {:02} {} {}\nReasoning Mode: {}\n\n## Custom Instructions\n\n",
        names_.day, monthName(names_), names_.year, brief_ ? "/no_think" : "/think"));
    if (asked.empty()) return write(brief_ ? form_.briefSystem : form_.withoutSystem);
    say(asked);
    write("\n\n");
  }

  void user(size_t i) {
    bool joins = system_ && ((form_.systemPlace == SystemPlace::FirstUser && i == firstUser_) ||
                             (form_.systemPlace == SystemPlace::LastUser && i == lastUser_));
    if (!joins) return turn(form_.user, messages_[i].content);
    std::string_view content = messages_[i].content, between = form_.system.after;
    if (form_.trimsJoined) {  // the whole is trimmed, and begins with text of the template
      content = trimmedRight(content);
      if (content.empty()) between = trimmedRight(between);
    } else if (form_.user.trim) {
      content = trimmedLeft(trimmedRight(content));
    }
    write(form_.user.before);
    write(form_.system.before);
    say(*system_);
    write(between);
    say(content);
    write(form_.user.after);
  }

  /// The last user message that is no answer of a tool: what was thought behind it is kept.
  void findQuery() {
    query_ = lastUser_;
    for (size_t i = messages_.size(); i-- > 0;) {
      const std::string& content = messages_[i].content;
      if (messages_[i].role != "user" || (content.starts_with("<tool_response>") && content.ends_with("</tool_response>"))) continue;
      query_ = i;
      return;
    }
  }

  void assistant(size_t i) {
    static constexpr std::string_view kOpen = "<think>", kClose = "</think>";
    std::string_view content = messages_[i].content;
    size_t first = content.find(kClose), last = content.rfind(kClose);
    bool lines = form_.thoughts == Thoughts::DroppedWithLines;
    if (form_.thoughts == Thoughts::KeptWithoutLines) {
      write(form_.assistant.before);
      if (brief_) write(kNoThoughts);
      say(withoutFirstLines(content));
      return write(form_.assistant.after);
    }
    if (form_.thoughts == Thoughts::Kept || first == std::string_view::npos)
      return turn(form_.assistant, lines ? withoutFirstLines(content) : content);
    std::string_view rest = content.substr(last + kClose.size());
    if (form_.thoughts == Thoughts::Dropped) return turn(form_.assistant, rest);
    if (lines) return turn(form_.assistant, withoutFirstLines(rest));
    std::string_view thought = content.substr(0, first);
    while (thought.ends_with('\n')) thought.remove_suffix(1);
    if (size_t open = thought.rfind(kOpen); open != std::string_view::npos) thought.remove_prefix(open + kOpen.size());
    thought = withoutLines(thought);
    rest = withoutFirstLines(rest);
    if (i <= query_ || thought.empty()) return turn(form_.assistant, rest);
    write(form_.assistant.before + "<think>\n");
    say(thought);
    write("\n</think>\n\n");
    say(rest);
    write(form_.assistant.after);
  }

  const ChatForm& form_;
  std::span<const ChatMessage> messages_;
  const ChatNames& names_;
  std::optional<std::string> system_;
  bool brief_ = false;  ///< Modes: without thoughts
  size_t firstUser_ = 0, lastUser_ = 0, query_ = 0;
  ChatText out_;
};

}  // namespace

Result<ChatText> ChatTemplate::render(std::span<const ChatMessage> messages, const ChatNames& names) const {
  auto bad = [](size_t i, const std::string& why) { return badInput(fmt::format("message {}: {}", i + 1, why)); };
  if (messages.empty()) return badInput("a conversation without messages has nothing to answer");
  size_t first = messages[0].role == "system" ? 1 : 0;
  if (first == 1 && form_.systemPlace == SystemPlace::Refused)
    return bad(0, fmt::format("the chat template ({}) has no place for a system message", family_));
  for (size_t i = 0; i < messages.size(); ++i) {
    const ChatMessage& each = messages[i];
    if (each.role != "system" && each.role != "user" && each.role != "assistant")
      return bad(i, fmt::format("role '{}' is not system, user or assistant", escapedShort(each.role)));
    if (i >= first && each.role == "system") return bad(i, "a system message is the first of a conversation or none");
    if (form_.alternates && i >= first && (each.role == "user") != ((i - first) % 2 == 0))
      return bad(i, fmt::format("the chat template ({}) has user and assistant in turn, the user first", family_));
    if (form_.preamble == Preamble::Harmony && each.role == "assistant" &&
        (each.content.find("<|channel|>analysis<|message|>") != std::string::npos ||
         each.content.find("<|channel|>final<|message|>") != std::string::npos))
      return bad(i, "an answer has channels in its text, which the chat template (gpt-oss) refuses");
  }
  if (messages.back().role != "user") return bad(messages.size() - 1, "the last message is a user's, whom the model answers");
  return Writer(form_, messages, names).run();
}

}  // namespace quern
