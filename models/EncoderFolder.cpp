// models/EncoderFolder.cpp — see EncoderFolder.h.
#include "models/EncoderFolder.h"

#include "compiler/base/Text.h"
#include "models/files/FolderPath.h"
#include "models/files/Json.h"
#include "models/files/MappedFile.h"

#include <filesystem>
#include <fmt/format.h>

namespace quern {

/// A JSON file of the folder; nothing where it is missing.
static Result<std::optional<JsonValue>> optionalJson(const std::string& path) {
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) return std::optional<JsonValue>();
  auto file = MappedFile::open(path);
  if (!file) return file.error();
  auto json = parseJson({file->text(), path});
  if (!json) return json.error();
  return std::optional<JsonValue>(std::move(*json));
}

/// Dense layers and others behind the pooling make other vectors.
static Result<void> checkModules(const std::string& path) {
  auto json = optionalJson(path);
  if (!json) return json.error();
  if (!*json) return {};
  const auto* list = (*json)->as<JsonArray>();
  if (list == nullptr) return badInput(fmt::format("{}: is {}, an array is needed", escaped(path), (*json)->kind()));
  for (const JsonValue& module : *list) {
    const JsonValue* type = module.find("type");
    const auto* text = type == nullptr ? nullptr : type->as<std::string>();
    std::string_view name = text == nullptr ? std::string_view("missing") : std::string_view(*text);
    std::string_view last = name.substr(name.rfind('.') == std::string_view::npos ? 0 : name.rfind('.') + 1);
    if (last != "Transformer" && last != "Pooling" && last != "Normalize")
      return badInput(fmt::format("{}: 'type' is '{}'; Transformer, Pooling and Normalize are built", escaped(path), escapedShort(name)));
  }
  return {};
}

Result<void> readPooling(const std::string& folder, ModelConfig& config) {
  if (auto good = checkModules(pathIn(folder, "modules.json")); !good) return good;
  std::string path = pathIn(folder, "1_Pooling/config.json");
  auto json = optionalJson(path);
  if (!json) return json.error();
  if (!*json) return {};
  JsonFields fields(path, **json);
  bool mean = false, first = false;
  const auto* object = (*json)->as<JsonObject>();
  if (object == nullptr) return badInput(fmt::format("{}: is {}, an object is needed", escaped(path), (*json)->kind()));
  for (const auto& [key, value] : *object) {
    if (!key.starts_with("pooling_mode_")) continue;
    auto on = fields.boolean(key);
    if (!on) return on.error();
    if (!on->value_or(false)) continue;
    if (key == "pooling_mode_mean_tokens") mean = true;
    else if (key == "pooling_mode_cls_token") first = true;
    else
      return badInput(
          fmt::format("{}: '{}' is true; pooling_mode_mean_tokens or pooling_mode_cls_token is needed", escaped(path), escapedShort(key)));
  }
  if (mean == first)
    return badInput(fmt::format("{}: {} of pooling_mode_mean_tokens and pooling_mode_cls_token {} true; one of the two is needed",
                                escaped(path), mean ? "both" : "none", mean ? "are" : "is"));
  config.pooling = first ? Pooling::First : Pooling::Mean;
  return {};
}

}  // namespace quern
