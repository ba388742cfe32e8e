// models/chat/TemplateReader.h — what a chat template writes, expression by expression: what recognising it asks for.
#pragma once

#include "models/chat/ChatForm.h"

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace quern {

/// A template in the spelling of templateCode, and the expressions that it writes in a conversation without tools.
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
  /// The first thing that it writes is begin-of-text.
  bool beginsWithBos() const;

  /// The string between `before` and `after`, within one string of the template (`after` "": up to its end). Nothing where there is
  /// none, or where two differ.
  std::optional<std::string> stringBetween(std::string_view before, std::string_view after) const;
  /// Expressions that are texts around message['content'], such as '[INST] '+message['content']+'[/INST]'.
  std::vector<TurnForm> turns() const;

private:
  std::string code_;
  std::vector<std::string> all_;    ///< expressions in their order
  std::vector<std::string> plain_;  ///< those of them that are written without tools
  std::vector<std::string> sets_;   ///< name=value, of every set
};

}  // namespace quern
