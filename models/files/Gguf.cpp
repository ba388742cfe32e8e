// models/files/Gguf.cpp — see Gguf.h.
#include "models/files/Gguf.h"

#include "compiler/base/Checked.h"
#include "compiler/base/Text.h"
#include "models/files/FileKind.h"

#include <bit>
#include <cstring>
#include <fmt/format.h>
#include <optional>

namespace quern {

static_assert(std::endian::native == std::endian::little, "GGUF's numbers are read as they lie");

namespace {

/// The value types of the format, by their numbers.
enum class ValueType : uint32_t { U8, I8, U16, I16, U32, I32, F32, Bool, String, Array, U64, I64, F64 };

/// Bytes of one number; 0 for strings, arrays and unknown types.
int64_t numberBytes(ValueType type) {
  switch (type) {
    case ValueType::U8:
    case ValueType::I8:
    case ValueType::Bool: return 1;
    case ValueType::U16:
    case ValueType::I16: return 2;
    case ValueType::U32:
    case ValueType::I32:
    case ValueType::F32: return 4;
    case ValueType::U64:
    case ValueType::I64:
    case ValueType::F64: return 8;
    default: return 0;
  }
}

MetadataNumbers::Kind numberKind(ValueType type) {
  switch (type) {
    case ValueType::I8:
    case ValueType::I16:
    case ValueType::I32:
    case ValueType::I64: return MetadataNumbers::Kind::Signed;
    case ValueType::F32:
    case ValueType::F64: return MetadataNumbers::Kind::Float;
    case ValueType::Bool: return MetadataNumbers::Kind::Bool;
    default: return MetadataNumbers::Kind::Unsigned;
  }
}

constexpr int64_t kHeaderBytes = 4 + 4 + 8 + 8;
constexpr int64_t kLeastKeyBytes = 8 + 4 + 1;             // empty key, type, one-byte value
constexpr int64_t kLeastTensorBytes = 8 + 4 + 8 + 4 + 8;  // empty name, one dimension
constexpr int64_t kLeastStringBytes = 8;
constexpr int64_t kLeastArrayBytes = 4 + 8;

/// Takes the file apart from front to back. Every step says whether it went well; the first that did not left `error`.
class GgufReader {
public:
  GgufReader(std::string_view bytes, const std::string& file)
      : bytes_(bytes), file_(file), out_{3, kGgufAlignment, 0, Metadata(file), {}, {}} {}

  Result<GgufFile> read() {
    bool good = readHeader() && readMetadata() && readAlignment() && readTensors();
    if (!good) return *error_;
    out_.dataBegin = roundUp(at_, out_.alignment);
    for (FileTensor& tensor : out_.tensors) tensor.offset += out_.dataBegin;  // both are about the file's size at most
    if (auto differ = checkNamesDiffer(file_, out_.tensors); !differ) return differ.error();
    DataSection section{file_, bytes_, out_.dataBegin, out_.alignment};
    if (auto placed = placeTensors(section, out_.tensors); !placed) return placed.error();
    return std::move(out_);
  }

private:
  int64_t left() const { return static_cast<int64_t>(bytes_.size()) - at_; }

  bool bad(const std::string& why) {
    error_ = badInput(fmt::format("{}: {}", escapedShort(file_), why));
    return false;
  }
  bool cut() { return bad(fmt::format("the file ends at byte {}, inside {}", bytes_.size(), subject_)); }

  template <class T>
  bool take(T& out) {
    if (left() < static_cast<int64_t>(sizeof(T))) return cut();
    std::memcpy(&out, bytes_.data() + at_, sizeof(T));
    at_ += static_cast<int64_t>(sizeof(T));
    return true;
  }

  bool takeBytes(int64_t count, std::string_view& out) {
    if (left() < count) return cut();
    out = bytes_.substr(static_cast<size_t>(at_), static_cast<size_t>(count));
    at_ += count;
    return true;
  }

  /// A string of at most `most` bytes (negative: of what the file holds).
  bool takeString(const char* what, int64_t most, std::string_view& out) {
    uint64_t length = 0;
    if (!take(length)) return false;
    if (most >= 0 && length > static_cast<uint64_t>(most))
      return bad(fmt::format("{} has {} of {} bytes, at most {} are legal", subject_, what, length, most));
    if (length > static_cast<uint64_t>(left()))
      return bad(fmt::format("{} has {} of {} bytes, {} are left in the file", subject_, what, length, left()));
    return takeBytes(static_cast<int64_t>(length), out);
  }

  /// A count of things of which each takes at least `least` bytes.
  bool takeCount(const char* things, int64_t least, int64_t& out) {
    uint64_t count = 0;
    if (!take(count)) return false;
    if (count > static_cast<uint64_t>(left() / least))
      return bad(fmt::format("{} has {} {}, the {} bytes that are left hold at most {}", subject_, count, things, left(), left() / least));
    out = static_cast<int64_t>(count);
    return true;
  }

  bool readHeader() {
    if (!bytes_.starts_with("GGUF")) {
      std::string kind = foreignKind(bytes_, bytes_.size());
      return bad(!kind.empty() ? kind : fmt::format("begins with '{}', a GGUF file begins with 'GGUF'", escaped(bytes_.substr(0, 4))));
    }
    subject_ = fmt::format("the header of {} bytes", kHeaderBytes);
    at_ = 4;
    uint32_t version = 0;
    if (!take(version)) return false;
    if (version == 1) return bad("is GGUF version 1, versions 2 and 3 are read: convert it again");
    if ((version & 0xffff) == 0 && version != 0) return bad("is a big-endian GGUF file, little-endian is needed");
    if (version != 2 && version != 3) return bad(fmt::format("is GGUF version {}, versions 2 and 3 are read", version));
    out_.version = static_cast<int>(version);
    if (left() < 16) return cut();
    subject_ = "the header";
    if (!takeCount("tensors", kLeastTensorBytes, tensors_)) return false;
    if (!takeCount("key/values", kLeastKeyBytes, keys_)) return false;
    if (tensors_ > kMostTensors) return bad(fmt::format("the header has {} tensors, at most {} are read", tensors_, kMostTensors));
    if (keys_ > kMostGgufKeys) return bad(fmt::format("the header has {} key/values, at most {} are read", keys_, kMostGgufKeys));
    return true;
  }

  bool readMetadata() {
    for (int64_t i = 0; i < keys_; ++i) {
      subject_ = fmt::format("key/value {} of {}", i + 1, keys_);
      std::string_view key;
      int64_t begin = at_;
      if (!takeString("a key", kLongestGgufKey, key)) return false;
      subject_ = fmt::format("metadata '{}'", escapedShort(key));
      uint32_t type = 0;
      MetadataValue value;
      if (!take(type) || !readValue(type, value)) return false;
      if (!out_.metadata.add(key, std::move(value))) return bad(fmt::format("{} is there twice", subject_));
      out_.keys.emplace_back(key, bytes_.substr(static_cast<size_t>(begin), static_cast<size_t>(at_ - begin)));
    }
    return true;
  }

  template <class T, class Wide>
  bool readNumber(MetadataValue& out) {
    T value{};
    if (!take(value)) return false;
    out = static_cast<Wide>(value);
    return true;
  }

  bool readValue(uint32_t type, MetadataValue& out) {
    switch (static_cast<ValueType>(type)) {
      case ValueType::U8: return readNumber<uint8_t, uint64_t>(out);
      case ValueType::I8: return readNumber<int8_t, int64_t>(out);
      case ValueType::U16: return readNumber<uint16_t, uint64_t>(out);
      case ValueType::I16: return readNumber<int16_t, int64_t>(out);
      case ValueType::U32: return readNumber<uint32_t, uint64_t>(out);
      case ValueType::I32: return readNumber<int32_t, int64_t>(out);
      case ValueType::U64: return readNumber<uint64_t, uint64_t>(out);
      case ValueType::I64: return readNumber<int64_t, int64_t>(out);
      case ValueType::F32: return readNumber<float, double>(out);
      case ValueType::F64: return readNumber<double, double>(out);
      case ValueType::Bool: return readBool(out);
      case ValueType::Array: return readArray(out);
      case ValueType::String: {
        std::string_view text;
        if (!takeString("a string", -1, text)) return false;
        out = text;
        return true;
      }
    }
    return bad(fmt::format("{} has the unknown value type {}, 0 to 12 are known", subject_, type));
  }

  bool readBool(MetadataValue& out) {
    uint8_t value = 0;
    if (!take(value)) return false;
    if (value > 1) return bad(fmt::format("{} is a bool of value {}, 0 or 1 is needed", subject_, value));
    out = value == 1;
    return true;
  }

  bool readArray(MetadataValue& out) {
    uint32_t type = 0;
    if (!take(type)) return false;
    if (static_cast<ValueType>(type) == ValueType::String) {
      int64_t count = 0;
      if (!takeCount("strings", kLeastStringBytes, count)) return false;
      std::vector<std::string_view> strings(static_cast<size_t>(count));
      for (std::string_view& text : strings)
        if (!takeString("a string", -1, text)) return false;
      out = std::move(strings);
      return true;
    }
    if (static_cast<ValueType>(type) == ValueType::Array) {
      int64_t first = at_, count = 0;
      if (!skipArray(type, 1, count)) return false;
      out = MetadataArrays{count, bytes_.substr(static_cast<size_t>(first), static_cast<size_t>(at_ - first))};
      return true;
    }
    MetadataNumbers numbers;
    if (!takeNumbers(type, numbers.bytes)) return false;
    numbers.kind = numberKind(static_cast<ValueType>(type));
    numbers.bytesEach = static_cast<int>(numberBytes(static_cast<ValueType>(type)));
    out = numbers;
    return true;
  }

  /// The elements of an array of numbers: their count, then they.
  bool takeNumbers(uint32_t type, std::string_view& out) {
    int64_t each = numberBytes(static_cast<ValueType>(type)), count = 0;
    if (each == 0) return bad(fmt::format("{} is an array of the unknown value type {}, 0 to 12 are known", subject_, type));
    if (!takeCount("numbers", each, count) || !takeBytes(count * each, out)) return false;
    if (static_cast<ValueType>(type) == ValueType::Bool)
      for (char value : out)
        if (value != 0 && value != 1)
          return bad(fmt::format("{} has a bool of value {}, 0 or 1 is needed", subject_, static_cast<unsigned char>(value)));
    return true;
  }

  /// Walks over an array whose element type was read, checking it all; `count`: its elements.
  bool skipArray(uint32_t type, int depth, int64_t& count) {
    std::string_view ignored;
    if (numberBytes(static_cast<ValueType>(type)) != 0) return takeNumbers(type, ignored);
    if (static_cast<ValueType>(type) == ValueType::String) {
      if (!takeCount("strings", kLeastStringBytes, count)) return false;
      for (int64_t i = 0; i < count; ++i)
        if (!takeString("a string", -1, ignored)) return false;
      return true;
    }
    if (static_cast<ValueType>(type) != ValueType::Array) return takeNumbers(type, ignored);  // says that it is unknown
    if (depth > kMostGgufNesting) return bad(fmt::format("{} has more than {} arrays inside each other", subject_, kMostGgufNesting));
    if (!takeCount("arrays", kLeastArrayBytes, count)) return false;
    for (int64_t i = 0, inner = 0; i < count; ++i) {
      uint32_t of = 0;
      if (!take(of) || !skipArray(of, depth + 1, inner)) return false;
    }
    return true;
  }

  bool readAlignment() {
    auto alignment = out_.metadata.integer("general.alignment", 8, int64_t{1} << 30);
    if (!alignment) {
      error_ = alignment.error();
      return false;
    }
    out_.alignment = alignment->value_or(kGgufAlignment);
    if (!std::has_single_bit(static_cast<uint64_t>(out_.alignment)))
      return bad(fmt::format("metadata 'general.alignment' is {}, a power of two is needed", out_.alignment));
    return true;
  }

  bool readTensors() {
    out_.tensors.resize(static_cast<size_t>(tensors_));
    for (int64_t i = 0; i < tensors_; ++i) {
      subject_ = fmt::format("tensor info {} of {}", i + 1, tensors_);
      if (!readTensor(out_.tensors[static_cast<size_t>(i)])) return false;
    }
    return true;
  }

  bool readTensor(FileTensor& tensor) {
    std::string_view name;
    if (!takeString("a name", kLongestGgufTensorName, name)) return false;
    tensor.name = name;
    subject_ = fmt::format("tensor '{}'", escapedShort(name));
    uint32_t dimensions = 0;
    if (!take(dimensions)) return false;
    if (dimensions < 1 || dimensions > 4) return bad(fmt::format("{} has {} dimensions, 1 to 4 are legal", subject_, dimensions));
    tensor.shape.resize(dimensions);
    for (uint32_t i = dimensions; i-- > 0;) {
      uint64_t dimension = 0;
      if (!take(dimension)) return false;
      if (dimension > static_cast<uint64_t>(INT64_MAX))
        return bad(fmt::format("{} has the dimension {}, whole numbers from 0 to 2^63 - 1 are needed", subject_, dimension));
      tensor.shape[i] = static_cast<int64_t>(dimension);
    }
    uint32_t type = 0;
    uint64_t offset = 0;
    if (!take(type) || !take(offset)) return false;
    return readSize(type, tensor) && readOffset(offset, tensor);
  }

  bool readSize(uint32_t id, FileTensor& tensor) {
    auto type = typeOfGgufId(id);
    if (!type) {
      std::string_view removed = removedGgufType(id);
      return bad(fmt::format("{} has {}type {}", subject_, removed.empty() ? "the unknown " : "the ",
                             removed.empty() ? std::to_string(id) : fmt::format("{} ({}), which the format no longer has", id, removed)));
    }
    tensor.type = *type;
    const TensorTypeInfo& info = infoOf(*type);
    if (!elementsOf(tensor.shape))
      return bad(fmt::format("{} has the shape {}: more than 2^63 elements", subject_, dimensionsText(tensor.shape)));
    if (tensor.shape.back() % info.blockElements != 0)
      return bad(
          fmt::format("{} has rows of {} elements, {} has blocks of {}", subject_, tensor.shape.back(), info.name, info.blockElements));
    auto bytes = tensorBytes(*type, tensor.shape);
    if (!bytes) return bad(fmt::format("{} has the shape {}: more than 2^63 bytes", subject_, dimensionsText(tensor.shape)));
    tensor.bytes = *bytes;
    return true;
  }

  bool readOffset(uint64_t offset, FileTensor& tensor) {
    if (offset % static_cast<uint64_t>(out_.alignment) != 0)
      return bad(fmt::format("{} has the offset {}, which is no multiple of the alignment {}", subject_, offset, out_.alignment));
    if (offset > static_cast<uint64_t>(bytes_.size()) + static_cast<uint64_t>(out_.alignment))
      return bad(fmt::format("{} has the offset {}, the file has {} bytes", subject_, offset, bytes_.size()));
    tensor.offset = static_cast<int64_t>(offset);
    return true;
  }

  std::string_view bytes_;
  const std::string& file_;
  GgufFile out_;
  int64_t at_ = 0, tensors_ = 0, keys_ = 0;
  std::string subject_;  ///< what is being read, for messages
  std::optional<Error> error_;
};

}  // namespace

Result<GgufFile> parseGguf(std::string_view bytes, const std::string& file) { return GgufReader(bytes, file).read(); }

}  // namespace quern
