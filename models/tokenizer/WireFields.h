// models/tokenizer/WireFields.h — the wire format of protocol buffers: a message as its fields, one after the other.
#pragma once

#include "compiler/base/Result.h"

#include <bit>
#include <cstdint>
#include <cstring>
#include <fmt/format.h>
#include <optional>
#include <string_view>

namespace quern {

/// One field: its number and what it holds by its wire type.
struct WireField {
  enum class Type : uint8_t { Varint, Fixed64, Bytes, Fixed32 };
  uint32_t number = 0;
  Type type = Type::Varint;
  uint64_t value = 0;      ///< Varint, Fixed64, Fixed32
  std::string_view bytes;  ///< Bytes: a text, or a message

  float asFloat() const { return std::bit_cast<float>(static_cast<uint32_t>(value)); }
};

/// Reads a message from its first field to its last. Nothing is copied.
/// Source   protobuf.dev, "Encoding".
class WireFields {
public:
  explicit WireFields(std::string_view message) : rest_(message), size_(message.size()) {}

  /// The next field; nothing at the end.
  /// Errors   BadInput, to go behind a file's name: where the message is cut or has what no field is.
  Result<std::optional<WireField>> next() {
    if (rest_.empty()) return std::optional<WireField>();
    uint64_t key = 0, length = 0;
    if (!varint(key)) return bad("has no field's number");
    WireField field;
    field.number = static_cast<uint32_t>(key >> 3);
    if (key >> 3 == 0 || key >> 3 > kMostNumber) return bad(fmt::format("has a field {}", key >> 3));
    switch (key & 7) {
      case 0: return varint(field.value) ? Result<std::optional<WireField>>(field) : bad("is cut within a number");
      case 1: field.type = WireField::Type::Fixed64; return fixed(field, 8);
      case 5: field.type = WireField::Type::Fixed32; return fixed(field, 4);
      case 2:
        field.type = WireField::Type::Bytes;
        if (!varint(length) || length > rest_.size()) return bad(fmt::format("has {} bytes of field {}", rest_.size(), field.number));
        field.bytes = rest_.substr(0, length);
        rest_.remove_prefix(length);
        return std::optional<WireField>(field);
      default: return bad(fmt::format("has a field of wire type {}", key & 7));
    }
  }

private:
  static constexpr uint64_t kMostNumber = (1u << 29) - 1;

  Error bad(const std::string& why) const { return badInput(fmt::format("byte {} of a message: {}", size_ - rest_.size(), why)); }
  bool varint(uint64_t& value) {
    value = 0;
    for (int shift = 0; shift < 64 && !rest_.empty(); shift += 7) {
      auto byte = static_cast<unsigned char>(rest_[0]);
      rest_.remove_prefix(1);
      value |= uint64_t{byte & 0x7fu} << shift;
      if (byte < 0x80) return true;
    }
    return false;
  }
  Result<std::optional<WireField>> fixed(WireField& field, size_t bytes) {
    if (rest_.size() < bytes) return bad("is cut within a number");
    std::memcpy(&field.value, rest_.data(), bytes);
    rest_.remove_prefix(bytes);
    return std::optional<WireField>(field);
  }

  std::string_view rest_;
  size_t size_;
};

}  // namespace quern
