// tools/quern/cli/Npy.cpp — see Npy.h. Format: NumPy Enhancement Proposal "A Simple File Format for NumPy Arrays".
#include "tools/quern/cli/Npy.h"

#include "compiler/base/Checked.h"
#include "compiler/base/Files.h"
#include "compiler/base/Half.h"
#include "compiler/base/Text.h"
#include "compiler/op/Tensor.h"

#include <algorithm>
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

Result<NpyArray> decode(const Header& header, std::string_view data) {
  bool f2 = header.descr == "'<f2'", f4 = header.descr == "'<f4'", i4 = header.descr == "'<i4'", i8 = header.descr == "'<i8'",
       i1 = header.descr == "'|i1'";
  if (!f2 && !f4 && !i4 && !i8 && !i1)
    return badInput(
        fmt::format("descr is {}, '<f4' is needed ('<f2' for f16 operands, '|i1' for i8, '<i4' or '<i8' for ids)", escaped(header.descr)));
  size_t width = i8 ? 8 : i1 ? 1 : f2 ? 2 : 4;
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
  NpyArray array{header.shape, {}, {}, {}, i4 || i8, i1, f2};
  for (size_t i = 0; i < static_cast<size_t>(count); ++i) {
    const char* from = data.data() + (header.fortran ? fortranIndex(i, header.shape) : i) * width;
    if (f4) {
      std::memcpy(&array.values.emplace_back(), from, 4);
      continue;
    }
    if (i1) {
      array.bytes.push_back(static_cast<int8_t>(*from));
      continue;
    }
    if (f2) {
      uint16_t half = 0;
      std::memcpy(&half, from, 2);
      array.values.push_back(floatOfHalf(half));
      continue;
    }
    int64_t whole = 0;
    int32_t narrow = 0;
    if (i8) std::memcpy(&whole, from, 8);
    else std::memcpy(&narrow, from, 4), whole = narrow;
    if (whole != static_cast<int32_t>(whole)) return badInput(fmt::format("element {} is {}, at most 2^31 - 1 is an id", i, whole));
    array.ids.push_back(static_cast<int32_t>(whole));
  }
  return array;
}

}  // namespace

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
  std::string tuple;
  for (int64_t extent : shape) tuple += fmt::format("{}, ", extent);
  std::string dictionary =
      fmt::format("{{'descr': '<f4', 'fortran_order': False, 'shape': ({}), }}", shape.size() == 1 ? tuple.substr(0, tuple.size() - 1)
                                                                                 : tuple.empty()   ? ""
                                                                                                   : tuple.substr(0, tuple.size() - 2));
  size_t total = (kMagic.size() + 4 + dictionary.size() + 1 + 63) / 64 * 64;
  dictionary.resize(total - kMagic.size() - 4 - 1, ' ');
  dictionary += '\n';
  std::string out(kMagic);
  out += {'\x01', '\x00', static_cast<char>(dictionary.size() & 255), static_cast<char>(dictionary.size() >> 8)};
  out += dictionary;
  out.append(reinterpret_cast<const char*>(values.data()), values.size_bytes());
  return writeFileAtomically(path, out);
}

}  // namespace quern
