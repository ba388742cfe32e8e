// models/chat/TemplateCode.h — a Jinja template's text in one spelling, so that what it writes can be looked for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace quern {

inline constexpr int64_t kTemplateBytes = int64_t{1} << 20;  ///< a chat template has at most; those in use have up to 20,000

/// The template with one way to write the same. White space that Jinja strips is gone (with trim_blocks and lstrip_blocks, as Transformers
/// renders chat templates), and so are comments, what means nothing inside code, and generation tags; text outside of code is an
/// expression; expressions that follow each other are one, and so are strings that are added. Strings stand in single quotes, with \n
/// for a line's end; message.role and message.content are message['role'] and message['content'].
///
///   {{- "<|im_start|>" + message.role + '\n' -}} user   ->   {{'<|im_start|>'+message['role']+'\nuser'}}
///
/// Cost   linear, whatever the text.
std::string templateCode(std::string_view text);

/// The value of the string that begins behind an opening quote of templateCode's text, at `at`, which is then behind its closing quote.
/// Nothing where it does not end, or has other escapes than \n \t \' and \\.
std::optional<std::string> stringAt(std::string_view code, size_t& at);

}  // namespace quern
