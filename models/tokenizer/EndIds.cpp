// models/tokenizer/EndIds.cpp — see EndIds.h.
#include "models/tokenizer/EndIds.h"

#include "compiler/base/Text.h"

#include <fmt/format.h>

namespace quern {

Result<std::vector<int32_t>> idsUnder(const std::string& file, const JsonValue& object, const std::string& key) {
  std::vector<int32_t> ids;
  const JsonValue* given = object.find(key);
  if (given == nullptr || given->as<std::nullptr_t>() != nullptr) return ids;
  const JsonArray single = {*given};
  const auto* list = given->as<JsonArray>();
  for (const JsonValue& value : list != nullptr ? *list : single) {
    auto id = value.integer();
    if (!id || *id > INT32_MAX) return badInput(fmt::format("{}: '{}' is {}, a token id is needed", escaped(file), key, value.kind()));
    if (*id >= 0) ids.push_back(static_cast<int32_t>(*id));
  }
  return ids;
}

Result<std::vector<int32_t>> endIdsOf(const WeightFiles& files) {
  std::vector<int32_t> ends;
  if (files.format() == WeightFormat::Gguf) {
    for (const char* key : {"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"}) {
      auto id = files.metadata().integer(key, 0, INT32_MAX);
      if (!id) return id.error();
      if (*id) ends.push_back(static_cast<int32_t>(**id));
    }
    return ends;
  }
  auto add = [&](const std::string& file, const JsonValue& object) -> Result<void> {
    auto ids = idsUnder(file, object, "eos_token_id");
    if (!ids) return ids.error();
    ends.insert(ends.end(), ids->begin(), ids->end());
    return {};
  };
  if (auto good = add(files.configPath(), *files.config()); !good) return good.error();
  if (files.generationPath().empty()) return ends;
  auto file = MappedFile::open(files.generationPath());
  if (!file) return file.error();
  auto generation = parseJson({file->text(), files.generationPath()});
  if (!generation) return generation.error();
  if (auto good = add(files.generationPath(), *generation); !good) return good.error();
  return ends;
}

}  // namespace quern
