// models/PackedFile.cpp — see PackedFile.h.
#include "models/PackedFile.h"

#include "compiler/base/Checked.h"
#include "compiler/base/LineSum.h"
#include "compiler/base/Text.h"
#include "models/files/AtomicFile.h"

#include <charconv>
#include <fmt/format.h>

namespace quern {

namespace {

constexpr int64_t kPage = 4096, kMostWeights = 1 << 20;

/// Takes the head apart line by line, and a line word by word. The first thing that is wrong stays.
class HeadReader {
public:
  HeadReader(std::string_view text, const std::string& file) : rest_(text), file_(file) {}

  Error bad(const std::string& why) const {
    return badInput(fmt::format("{}: line {}: {}; quern emit --weights writes it anew", escaped(file_), line_, why));
  }
  /// False: it does not begin a line so.
  bool next() {
    size_t end = rest_.find('\n');
    ++line_;
    if (end == std::string_view::npos) return false;
    words_ = rest_.substr(0, end);
    rest_.remove_prefix(end + 1);
    return true;
  }
  std::string_view word() {
    size_t end = std::min(words_.find(' '), words_.size());
    std::string_view out = words_.substr(0, end);
    words_.remove_prefix(std::min(end + 1, words_.size()));
    return out;
  }
  std::string_view words() const { return words_; }
  size_t left() const { return rest_.size(); }
  /// "NAME COUNT"
  std::optional<int64_t> count(std::string_view name) {
    if (!next() || word() != name) return std::nullopt;
    auto number = parseInt(words_);
    return number && *number >= 0 && *number <= kMostWeights ? number : std::nullopt;
  }

private:
  std::string_view rest_, words_;
  const std::string& file_;
  int line_ = 0;
};

Result<FileTensor> tensorOf(HeadReader& head) {
  FileTensor tensor;
  const TensorTypeInfo* type = nullptr;
  std::string_view name = head.word();
  for (const TensorTypeInfo& each : tensorTypes())
    if (each.name == name) type = &each;
  if (type == nullptr) return head.bad(fmt::format("'{}' is no type of tensors", escaped(name)));
  tensor.type = type->type;
  for (const std::string& word : split(head.word(), 'x')) {
    auto extent = parseInt(word);
    if (!extent || *extent < 0) return head.bad(fmt::format("'{}' is no dimension", escaped(word)));
    tensor.shape.push_back(*extent);
  }
  auto bytes = tensorBytes(tensor.type, tensor.shape);
  if (!bytes) return head.bad("a tensor of more than 2^63 bytes");
  tensor.bytes = *bytes;
  tensor.name = head.words();
  return tensor;
}

}  // namespace

Result<PackedFile> PackedFile::open(const std::string& path) {
  auto mapped = MappedFile::open(path);
  if (!mapped) return mapped.error();
  PackedFile out;
  out.file_ = std::make_shared<const MappedFile>(std::move(*mapped));
  HeadReader head(out.file_->text(), path);
  if (!head.next() || head.words() != "quern-weights 1") return head.bad("'quern-weights 1' is needed");
  auto tensors = head.count("tensors");
  if (!tensors) return head.bad("'tensors' and how many are needed");
  for (int64_t i = 0; i < *tensors; ++i) {
    if (!head.next()) return head.bad("the file ends here");
    auto tensor = tensorOf(head);
    if (!tensor) return tensor.error();
    out.tensors_.push_back(std::move(*tensor));
  }
  auto weights = head.count("weights");
  if (!weights) return head.bad("'weights' and how many are needed");
  for (int64_t i = 0; i < *weights; ++i) {
    if (!head.next()) return head.bad("the file ends here");
    auto offset = parseInt(head.word()), bytes = parseInt(head.word());
    std::string_view sum = head.word();
    uint64_t value = 0;
    auto parsed = std::from_chars(sum.data(), sum.data() + sum.size(), value, 16);
    bool good =
        offset && bytes && *offset >= 0 && *bytes >= 0 && *offset % kPage == 0 && sum.size() == 16 && parsed.ptr == sum.data() + sum.size();
    auto end = good ? checkedAdd(*offset, *bytes) : std::nullopt;
    if (!end || *end > out.file_->bytes())
      return head.bad(fmt::format("a weight that does not lie in the {} bytes of the file", out.file_->bytes()));
    out.weights_.push_back({std::string(head.words()), out.file_->data() + *offset, *bytes});
    out.sums_.push_back(value);
  }
  if (!head.next() || head.words() != "end") return head.bad("'end' is needed");
  out.headSum_ = sumText(lineSum(out.file_->data(), static_cast<size_t>(out.file_->bytes()) - head.left()));
  return out;
}

Result<void> PackedFile::check(size_t i) const {
  const PackedWeight& weight = weights_[i];
  if (lineSum(weight.data, static_cast<size_t>(weight.bytes)) == sums_[i]) return {};
  return badInput(fmt::format("{}: weight {} of {} is damaged: its sum differs; quern emit --weights writes it anew", escaped(path()),
                              i + 1, weights_.size()));
}

Result<std::string> packedHead(const std::vector<FileTensor>& tensors, const std::vector<PackedWeight>& weights) {
  std::string first = fmt::format("quern-weights 1\ntensors {}\n", tensors.size());
  for (const FileTensor& tensor : tensors) {
    if (tensor.name.find('\n') != std::string::npos)
      return badInput(fmt::format("tensor '{}': a name with a line break cannot be written", escaped(tensor.name)));
    std::string shape;
    for (int64_t extent : tensor.shape) shape += fmt::format("{}{}", shape.empty() ? "" : "x", extent);
    first += fmt::format("{} {} {}\n", infoOf(tensor.type).name, shape, tensor.name);
  }
  first += fmt::format("weights {}\n", weights.size());
  // Offsets are written in words of 16 digits: how long the head is does not depend on them.
  std::string head;
  int64_t length = static_cast<int64_t>(first.size()) + 4, offset = 0;
  for (const PackedWeight& weight : weights)
    length +=
        16 + 1 + static_cast<int64_t>(fmt::formatted_size("{}", weight.bytes)) + 1 + 16 + 1 + static_cast<int64_t>(weight.key.size()) + 1;
  offset = roundUp(length, kPage);
  for (const PackedWeight& weight : weights) {
    head +=
        fmt::format("{:016} {} {:016x} {}\n", offset, weight.bytes, lineSum(weight.data, static_cast<size_t>(weight.bytes)), weight.key);
    offset = roundUp(offset + weight.bytes, kPage);
  }
  return first + head + "end\n";
}

Result<void> writePackedFile(const std::string& path, const std::string& head, const std::vector<PackedWeight>& weights) {
  auto file = AtomicFile::create(path);
  if (!file) return file.error();
  auto padded = [&](std::span<const std::byte> bytes) -> Result<void> {
    if (auto good = file->write(bytes); !good) return good;
    auto size = static_cast<int64_t>(bytes.size());
    return file->pad(roundUp(size, kPage) - size);
  };
  if (auto good = padded(std::as_bytes(std::span(head))); !good) return good;
  for (const PackedWeight& weight : weights)
    if (auto good = padded({weight.data, static_cast<size_t>(weight.bytes)}); !good) return good;
  return file->commit();
}

}  // namespace quern
