// models/tokenizer/EndIds.h — the ids that end a text, as a model's files number them: for texts, and for ids without a tokenizer.
#pragma once

#include "models/files/WeightFiles.h"

#include <cstdint>
#include <string>
#include <vector>

namespace quern {

/// What `key` of an object says: an id, or a list of them; none where it is absent or null. Negative ones stand for none.
/// Errors   BadInput naming file and key: something else than whole numbers.
Result<std::vector<int32_t>> idsUnder(const std::string& file, const JsonValue& object, const std::string& key);

/// GGUF: the ids of end of text, turn and message. A folder: eos_token_id of generation_config.json and of config.json.
/// Errors   BadInput as idsUnder, and what reading generation_config.json says.
Result<std::vector<int32_t>> endIdsOf(const WeightFiles& files);

}  // namespace quern
