// models/files/Safetensors.cpp — the file format of Safetensors.h.
#include "models/files/Safetensors.h"

#include "compiler/base/Checked.h"
#include "compiler/base/Text.h"
#include "models/files/FileKind.h"
#include "models/files/Json.h"

#include <bit>
#include <cstring>
#include <fmt/format.h>

namespace quern {

static_assert(std::endian::native == std::endian::little, "the header's length is read as it lies");

namespace {

constexpr int64_t kMostEntryParts = 64;  // an entry has three fields; a shape has a few dimensions

/// One entry of the header as a tensor.
class EntryReader {
public:
  EntryReader(const std::string& file, int64_t dataBegin, const std::string& name, const JsonValue& entry)
      : file_(file), dataBegin_(dataBegin), name_(name), entry_(entry) {}

  Result<FileTensor> read() {
    FileTensor tensor;
    tensor.name = name_;
    bool good = checkFields() && readType(tensor) && readShape(tensor) && readOffsets(tensor);
    if (!good) return error_;
    return tensor;
  }

private:
  bool bad(const std::string& why) {
    error_ = badInput(fmt::format("{}: tensor '{}' {}", escapedShort(file_), escapedShort(name_), why));
    return false;
  }

  bool checkFields() {
    const auto* fields = entry_.as<JsonObject>();
    if (fields == nullptr) return bad(fmt::format("is {}, an object with dtype, shape and data_offsets is needed", entry_.kind()));
    for (const auto& [key, value] : *fields)
      if (key != "dtype" && key != "shape" && key != "data_offsets")
        return bad(fmt::format("has the unknown field '{}'; fields: dtype shape data_offsets", escapedShort(key)));
    for (const char* key : {"dtype", "shape", "data_offsets"})
      if (entry_.find(key) == nullptr) return bad(fmt::format("has no field '{}'", key));
    return true;
  }

  bool readType(FileTensor& tensor) {
    const JsonValue& dtype = *entry_.find("dtype");
    const auto* text = dtype.as<std::string>();
    if (text == nullptr) return bad(fmt::format("has a dtype that is {}, a string is needed", dtype.kind()));
    auto type = typeOfDtype(*text);
    if (type) {
      tensor.type = *type;
      return true;
    }
    std::string known;
    for (const TensorTypeInfo& info : tensorTypes())
      if (!info.dtype.empty()) known += fmt::format(" {}", info.dtype);
    return bad(fmt::format("has dtype '{}', which is not read; dtypes:{}", escapedShort(*text), known));
  }

  /// One whole number from 0 on, of an array called `field`.
  bool readNumber(const char* field, const JsonValue& value, int64_t& out) {
    auto number = value.integer();
    if (number && *number >= 0) {
      out = *number;
      return true;
    }
    std::string is = value.kind();
    if (number) is = std::to_string(*number);
    else if (const auto* large = value.as<uint64_t>()) is = std::to_string(*large);
    else if (const auto* real = value.as<double>()) is = fmt::format("{:g}", *real);
    return bad(fmt::format("has {} in {}, whole numbers from 0 to 2^63 - 1 are needed", is, field));
  }

  bool readShape(FileTensor& tensor) {
    const JsonValue& shape = *entry_.find("shape");
    const auto* dimensions = shape.as<JsonArray>();
    if (dimensions == nullptr) return bad(fmt::format("has a shape that is {}, an array is needed", shape.kind()));
    for (const JsonValue& dimension : *dimensions)
      if (!readNumber("its shape", dimension, tensor.shape.emplace_back())) return false;
    auto bytes = tensorBytes(tensor.type, tensor.shape);
    if (!bytes) return bad(fmt::format("has the shape {}: more than 2^63 bytes", dimensionsText(tensor.shape)));
    tensor.bytes = *bytes;
    return true;
  }

  bool readOffsets(FileTensor& tensor) {
    const JsonValue& offsets = *entry_.find("data_offsets");
    const auto* pair = offsets.as<JsonArray>();
    if (pair == nullptr || pair->size() != 2)
      return bad(fmt::format("has data_offsets that are {}, an array of two numbers is needed",
                             pair == nullptr ? offsets.kind() : fmt::format("an array of {}", pair->size())));
    int64_t begin = 0, end = 0;
    if (!readNumber("data_offsets", (*pair)[0], begin) || !readNumber("data_offsets", (*pair)[1], end)) return false;
    if (begin > end) return bad(fmt::format("has data_offsets {} to {}: the end is before the beginning", begin, end));
    if (end - begin != tensor.bytes)
      return bad(fmt::format("has data_offsets {} to {}, {}, but its shape {} of {} needs {}", begin, end,
                             counted(static_cast<size_t>(end - begin), "byte"), dimensionsText(tensor.shape), infoOf(tensor.type).dtype,
                             tensor.bytes));
    auto offset = checkedAdd(begin, dataBegin_);
    if (!offset) return bad(fmt::format("has data_offsets {} to {}: behind the end of any file", begin, end));
    tensor.offset = *offset;
    return true;
  }

  const std::string& file_;
  int64_t dataBegin_;
  const std::string& name_;
  const JsonValue& entry_;
  Error error_;
};

/// The length of the header's JSON, checked against the file.
Result<int64_t> headerBytes(std::string_view bytes, const std::string& file) {
  auto bad = [&](const std::string& why) { return badInput(fmt::format("{}: {}", escapedShort(file), why)); };
  bool object = bytes.size() > 8 && bytes[8] == '{';
  if (std::string kind = object ? "" : foreignKind(bytes, bytes.size()); !kind.empty()) return bad(kind);
  if (bytes.size() < 8) return bad(fmt::format("the file ends at byte {}, inside the header's length (8 bytes)", bytes.size()));
  uint64_t length = 0;
  std::memcpy(&length, bytes.data(), 8);
  if (length > static_cast<uint64_t>(kMostSafetensorsHeader))
    return bad(fmt::format("the header's length is {}, at most {} are legal", length, kMostSafetensorsHeader));
  if (length > bytes.size() - 8)
    return bad(fmt::format("the header's length is {}, the file has {} behind it", length, counted(bytes.size() - 8, "byte")));
  if (length == 0 || !object) return bad("the header does not begin with '{'");
  return static_cast<int64_t>(length);
}

/// The file's own notes: strings, which nothing needs.
Result<void> checkNotes(const std::string& file, const JsonValue& notes) {
  const auto* fields = notes.as<JsonObject>();
  if (fields == nullptr)
    return badInput(fmt::format("{}: __metadata__ is {}, an object of strings is needed", escapedShort(file), notes.kind()));
  for (const auto& [key, value] : *fields)
    if (value.as<std::string>() == nullptr)
      return badInput(
          fmt::format("{}: '{}' in __metadata__ is {}, a string is needed", escapedShort(file), escapedShort(key), value.kind()));
  return {};
}

}  // namespace

Result<std::vector<FileTensor>> parseSafetensors(std::string_view bytes, const std::string& file) {
  auto length = headerBytes(bytes, file);
  if (!length) return length.error();
  int64_t dataBegin = 8 + *length;
  std::vector<FileTensor> tensors;
  std::vector<JsonPick> picks;
  picks.push_back({"__metadata__", [&](const JsonPlace&, JsonValue&& notes) { return checkNotes(file, notes); }});
  picks.push_back({"*",
                   [&](const JsonPlace& place, JsonValue&& entry) -> Result<void> {
                     if (tensors.size() == static_cast<size_t>(kMostTensors))
                       return badInput(fmt::format("{}: has more than {} tensors", escapedShort(file), kMostTensors));
                     auto tensor = EntryReader(file, dataBegin, place.key(), entry).read();
                     if (!tensor) return tensor.error();
                     tensors.push_back(std::move(*tensor));
                     return {};
                   },
                   kMostEntryParts});
  JsonSource header{bytes.substr(8, static_cast<size_t>(*length)), file, 8};
  if (auto good = pickJson(header, picks); !good) return good.error();
  DataSection section{file, bytes, dataBegin, 1};
  if (auto good = placeTensors(section, tensors); !good) return good.error();
  return tensors;
}

}  // namespace quern
