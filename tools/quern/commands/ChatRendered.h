// tools/quern/commands/ChatRendered.h — conversations of a JSON file as a chat template writes them: chat --render.
#pragma once

#include "models/chat/ChatTemplate.h"
#include "tools/quern/cli/CommandLine.h"

namespace quern {

/// --render FILE: a list of conversations, each a list of {"role", "content"}. Writes a list with {"text", "ids"} of each, or {"error"}
/// where the template refuses it.
/// Errors   BadInput: no such list; as readText.
Result<int> renderConversations(const CommandLine& line, const ChatTemplate& chat, const Tokenizer& tokenizer);

}  // namespace quern
