// models/chat/TemplateReader.h — what a chat template writes, expression by expression: what recognising it asks for.
#pragma once

#include "models/chat/ChatForm.h"

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace quern {

/// A template in the spelling of templateCode, and the expressions that it writes in a conversation without tools. Two questions make it
/// a member of a family: whether it writes this and nothing else (writesOnly), and whether what it asks on the way is known (fits).
class TemplateReader {
public:
  explicit TemplateReader(std::string_view text);

  /// Whether this stands in the template, as templateCode spells it.
  bool has(std::string_view fragment) const { return code_.find(fragment) != std::string::npos; }
  bool hasAny(std::initializer_list<std::string_view> fragments) const;
  /// Whether the template writes exactly this somewhere, tools or not.
  bool writes(std::string_view expression) const;
  /// Whether all that it writes (but for errors that it raises) is among these; each `*` stands for anything inside a string.
  bool writesOnly(std::span<const std::string_view> expressions) const;
  bool writesOnly(std::initializer_list<std::string_view> expressions) const {
    return writesOnly(std::span(expressions.begin(), expressions.size()));
  }
  /// Whether the template sets this name, each time to one of these values.
  bool setsOnly(std::string_view name, std::initializer_list<std::string_view> values) const;
  /// How many expressions that it writes without tools are this.
  size_t count(std::string_view expression) const;
  /// Whether its conditions are known ones, or the family's own, what it refuses is what the form refuses, and begin-of-text stands where
  /// the form has it.
  bool fits(const ChatForm& form, std::string_view ownCondition) const;
  /// The first thing that it writes is begin-of-text.
  bool beginsWithBos() const;

  /// The string between `before` and `after`, within one string of the template (`after` "": up to its end). Nothing where there is
  /// none, or where two differ.
  std::optional<std::string> stringBetween(std::string_view before, std::string_view after) const;
  /// Expressions that are texts around message['content'], such as '[INST] '+message['content']+'[/INST]'.
  std::vector<TurnForm> turns() const;

private:
  std::string code_;
  std::vector<std::string> all_;     ///< expressions in their order
  std::vector<std::string> plain_;   ///< those of them that are written without tools
  std::vector<std::string> sets_;    ///< name=value, of every set
  std::vector<std::string> asked_;   ///< conditions that are not known, and tags that are none of those that are
  std::vector<std::string> raised_;  ///< what it refuses
  bool bosInside_ = false;           ///< begin-of-text under a condition or in a loop
};

}  // namespace quern
