// models/chat/TemplateConditions.h — what chat templates ask, and what that comes to in a conversation without tools.
#pragma once

#include <string_view>

namespace quern {

/// Of a branch, in conversations of system, user and assistant messages with a text each, whose last is a user's.
enum class TemplateCondition {
  Unknown,
  Plain,   ///< taken or not, as the family's form says
  Never,   ///< of tools, documents and messages that are none of these
  Always,  ///< asks that there be no tools: what comes behind it is never taken
};

/// `condition`: what stands behind if, elif, for or macro, as templateCode spells it; a pair of parentheses around all of it means nothing.
TemplateCondition conditionOf(std::string_view condition);

}  // namespace quern
