// tools/quern/cli/Npy.cpp — see Npy.h. Format: NumPy Enhancement Proposal "A Simple File Format for NumPy Arrays".
#include "tools/quern/cli/Npy.h"

#include "compiler/base/Checked.h"
#include "compiler/base/Files.h"
#include "compiler/base/Half.h"
#include "compiler/base/Text.h"
#include "compiler/op/Tensor.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <fmt/format.h>

namespace quern {

namespace {

constexpr std::string_view kMagic = "\x93NUMPY";

/// Where the data begins and what the header says.
struct Header {
  std::string descr;
  bool fortran = false;
  std::vector<int64_t> shape;
  size_t dataAt = 0;
};

/// The value behind `'key':` in the header's dictionary, up to the ',' or '}' that ends it.
std::string_view entry(std::string_view dictionary, std::string_view key) {
  size_t at = dictionary.find(fmt::format("'{}'", key));
  if (at == std::string_view::npos) return {};
  at = dictionary.find(':', at);
  if (at == std::string_view::npos) return {};
  std::string_view rest = trim(dictionary.substr(at + 1));
  if (rest.starts_with("(")) return rest.substr(0, std::min(rest.size(), rest.find(')') + 1));
  return trim(rest.substr(0, std::min({rest.size(), rest.find(','), rest.find('}')})));
}

Result<std::vector<int64_t>> parseShape(std::string_view tuple) {
  std::vector<int64_t> shape;
  if (!tuple.starts_with("(") || !tuple.ends_with(")")) return badInput(fmt::format("shape is {}, a tuple is needed", escaped(tuple)));
  for (const std::string& part : split(tuple.substr(1, tuple.size() - 2), ',')) {
    std::string_view word = trim(part);
    if (word.empty()) continue;
    auto value = parseInt(word);
    if (!value || *value < 0)
      return badInput(fmt::format("shape has the dimension {}, whole numbers from 0 to 2^63 - 1 are needed", escaped(word)));
    shape.push_back(*value);
  }
  return shape;
}

Result<Header> parseHeader(std::string_view bytes) {
  if (!bytes.starts_with(kMagic)) return badInput("the first bytes are not \\x93NUMPY: not a .npy file");
  if (bytes.size() < 12) return badInput(fmt::format("truncated: {} bytes", bytes.size()));
  auto byte = [&](size_t i) { return static_cast<size_t>(static_cast<unsigned char>(bytes[i])); };
  size_t version = byte(6);
  if (version < 1 || version > 3) return badInput(fmt::format("format version {}, 1 to 3 are known", version));
  size_t begin = version == 1 ? 10 : 12;
  size_t length = version == 1 ? byte(8) | byte(9) << 8 : byte(8) | byte(9) << 8 | byte(10) << 16 | byte(11) << 24;
  if (length > bytes.size() - begin)
    return badInput(fmt::format("the header should have {} bytes, the file has {}", length, bytes.size() - begin));
  std::string_view dictionary = bytes.substr(begin, length);
  Header header;
  header.descr = std::string(entry(dictionary, "descr"));
  std::string_view order = entry(dictionary, "fortran_order");
  if (order != "True" && order != "False") return badInput(fmt::format("fortran_order is '{}', True or False is needed", escaped(order)));
  header.fortran = order == "True";
  auto shape = parseShape(entry(dictionary, "shape"));
  if (!shape) return shape.error();
  header.shape = std::move(*shape);
  header.dataAt = begin + length;
  return header;
}

/// Row-major index i of `shape` as an index of the same array in Fortran order.
size_t fortranIndex(size_t i, const std::vector<int64_t>& shape) {
  size_t index = 0;
  for (size_t axis = shape.size(); axis > 0; --axis) {
    auto extent = static_cast<size_t>(shape[axis - 1]);
    size_t stride = 1;
    for (size_t before = 0; before + 1 < axis; ++before) stride *= static_cast<size_t>(shape[before]);
    index += i % extent * stride;
    i /= extent;
  }
  return index;
}

constexpr NpyType kTypes[] = {{"'<f4'", "f32", NpyType::Kind::Float, 4},    {"'<f2'", "f16", NpyType::Kind::Float, 2},
                              {"'|V2'", "bf16", NpyType::Kind::Float, 2},   {"'<f8'", "f64", NpyType::Kind::Float, 8},
                              {"'|i1'", "i8", NpyType::Kind::Signed, 1},    {"'<i2'", "i16", NpyType::Kind::Signed, 2},
                              {"'<i4'", "i32", NpyType::Kind::Signed, 4},   {"'<i8'", "i64", NpyType::Kind::Signed, 8},
                              {"'|u1'", "u8", NpyType::Kind::Unsigned, 1},  {"'<u2'", "u16", NpyType::Kind::Unsigned, 2},
                              {"'<u4'", "u32", NpyType::Kind::Unsigned, 4}, {"'<u8'", "u64", NpyType::Kind::Unsigned, 8},
                              {"'|b1'", "bool", NpyType::Kind::Bool, 1}};

Result<const NpyType*> typeOf(const std::string& descr) {
  std::vector<std::string> known;
  for (const NpyType& type : kTypes) {
    if (type.descr == descr) return &type;
    known.push_back(fmt::format("{} ({})", type.descr, type.name));
  }
  return badInput(fmt::format("descr is {}; those of numbers are {}", escaped(descr), join(known, ", ")));
}

Result<NpyArray> decode(const Header& header, std::string_view data) {
  auto type = typeOf(header.descr);
  if (!type) return type.error();
  size_t width = (*type)->bytes;
  int64_t count = 1;
  for (int64_t extent : header.shape) {
    auto product = checkedMul(count, extent);
    if (!product) return badInput(fmt::format("shape {} has more than 2^63 elements", shapeText(header.shape)));
    count = *product;
  }
  auto bytes = checkedMul(count, static_cast<int64_t>(width));
  if (!bytes || static_cast<uint64_t>(*bytes) > data.size())
    return badInput(fmt::format("shape {} needs {} elements of {} bytes, the file has {} bytes of data", shapeText(header.shape), count,
                                width, data.size()));
  if (static_cast<uint64_t>(*bytes) != data.size())
    return badInput(fmt::format("shape {} needs {} bytes of data, the file has {}", shapeText(header.shape), *bytes, data.size()));
  NpyArray array{header.shape, *type, std::vector<std::byte>(data.size())};
  if (!header.fortran) {
    if (!data.empty()) std::memcpy(array.data.data(), data.data(), data.size());
    return array;
  }
  for (size_t i = 0; i < static_cast<size_t>(count); ++i)
    std::memcpy(array.data.data() + i * width, data.data() + fortranIndex(i, header.shape) * width, width);
  return array;
}

}  // namespace

std::span<const NpyType> npyTypes() { return kTypes; }

const NpyType* npyTypeNamed(std::string_view name) {
  for (const NpyType& type : kTypes)
    if (type.name == name) return &type;
  return nullptr;
}

std::vector<float> NpyArray::floats() const {
  std::vector<float> values(count());
  if (type->name == "f32") {
    if (!data.empty()) std::memcpy(values.data(), data.data(), data.size());
    return values;
  }
  bool half = type->name == "f16";
  for (size_t i = 0; i < values.size(); ++i) {
    uint16_t bits = 0;
    std::memcpy(&bits, data.data() + 2 * i, 2);
    values[i] = half ? floatOfHalf(bits) : std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
  }
  return values;
}

int64_t NpyArray::whole(size_t i) const {
  uint64_t bits = 0;
  std::memcpy(&bits, data.data() + i * type->bytes, type->bytes);
  auto unused = static_cast<int>(64 - 8 * type->bytes);
  if (type->kind == NpyType::Kind::Signed) return static_cast<int64_t>(bits << unused) >> unused;
  return static_cast<int64_t>(bits);
}

Result<NpyArray> readNpy(const std::string& path) {
  auto bytes = readFile(path, INT64_MAX);  // memory is the limit
  if (!bytes) return bytes.error();
  auto located = [&](const Error& error) { return badInput(fmt::format("{}: {}", escaped(path), error.message)); };
  auto header = parseHeader(*bytes);
  if (!header) return located(header.error());
  auto array = decode(*header, std::string_view(*bytes).substr(header->dataAt));
  if (!array) return located(array.error());
  return array;
}

Result<void> writeNpy(const std::string& path, std::span<const int64_t> shape, std::span<const float> values) {
  return writeNpy(path, shape, *npyTypeNamed("f32"), std::as_bytes(values));
}

Result<void> writeNpy(const std::string& path, std::span<const int64_t> shape, const NpyType& type, std::span<const std::byte> data) {
  std::string tuple;
  for (int64_t extent : shape) tuple += fmt::format("{}, ", extent);
  std::string dictionary = fmt::format("{{'descr': {}, 'fortran_order': False, 'shape': ({}), }}", type.descr,
                                       shape.size() == 1 ? tuple.substr(0, tuple.size() - 1)
                                       : tuple.empty()   ? ""
                                                         : tuple.substr(0, tuple.size() - 2));
  size_t total = (kMagic.size() + 4 + dictionary.size() + 1 + 63) / 64 * 64;
  dictionary.resize(total - kMagic.size() - 4 - 1, ' ');
  dictionary += '\n';
  std::string out(kMagic);
  out += {'\x01', '\x00', static_cast<char>(dictionary.size() & 255), static_cast<char>(dictionary.size() >> 8)};
  out += dictionary;
  out.append(reinterpret_cast<const char*>(data.data()), data.size());
  return writeFileAtomically(path, out);
}

}  // namespace quern
