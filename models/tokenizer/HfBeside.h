// models/tokenizer/HfBeside.h — the small files beside a folder's vocabulary: which tokens begin and end a text.
#pragma once

#include "models/files/Json.h"
#include "models/tokenizer/HfTokenizer.h"
#include "models/tokenizer/TokenizerData.h"

#include <functional>

namespace quern {

/// The id of a token's spelling; -1.
using TokenFinder = std::function<int32_t(std::string_view spelling)>;

/// The keys of tokenizer_config.json that a tokenizer is made of; an object without members where there is no such file.
/// Errors   BadInput: what the JSON reader says.
Result<JsonValue> readTokenizerConfig(const HfTokenizerTexts& texts);

/// Fills bos, eos, ends, addBos and addEos of `data`. HfTokenizer.h says which file says what.
/// Errors   BadInput naming file, key and value.
Result<void> readBeside(const HfTokenizerTexts& texts, const JsonValue& config, const TokenFinder& find, TokenizerData& data);

/// The text of "bos_token": "<s>", or {"content": "<s>", ...}; "" where the key is absent, null or something else.
std::string_view namedText(const JsonValue& config, std::string_view key);

/// What added_tokens.json and added_tokens_decoder have, one after the other, as {"id", "content", flags}.
/// Errors   BadInput: a value that is no id; what `each` says.
Result<void> forEachAdded(const HfTokenizerTexts& texts, const JsonValue& config,
                          const std::function<Result<void>(JsonValue&& token)>& each);

}  // namespace quern
