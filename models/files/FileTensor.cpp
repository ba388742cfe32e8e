// models/files/FileTensor.cpp — see FileTensor.h.
#include "models/files/FileTensor.h"

#include "compiler/base/Checked.h"
#include "compiler/base/Text.h"

#include <algorithm>
#include <fmt/format.h>
#include <numeric>

namespace quern {

std::string dimensionsText(std::span<const int64_t> shape) {
  std::string all;
  for (int64_t dimension : shape) all += fmt::format("{}{}", all.empty() ? "" : ", ", dimension);
  return fmt::format("[{}]", all);
}

std::optional<int64_t> tensorBytes(TensorType type, std::span<const int64_t> shape) {
  auto elements = elementsOf(shape);
  if (!elements || !rowBytes(type, shape.empty() ? 1 : shape.back())) return std::nullopt;
  return rowBytes(type, *elements);
}

Result<void> placeTensors(const DataSection& section, std::vector<FileTensor>& tensors) {
  auto size = static_cast<int64_t>(section.bytes.size());
  auto bad = [&](const std::string& why) { return badInput(fmt::format("{}: {}", escapedShort(section.file), why)); };
  for (FileTensor& tensor : tensors) {
    auto end = checkedAdd(tensor.offset, tensor.bytes);
    if (!end || (*end > size && tensor.bytes > 0))
      return bad(fmt::format("tensor '{}' ends at byte {} but the file has {}", escapedShort(tensor.name),
                             end ? std::to_string(*end) : "2^63 or more", size));
    // One without elements may lie behind the last byte, where the padding of the one before it is left out.
    tensor.data = reinterpret_cast<const std::byte*>(section.bytes.data()) + std::min(tensor.offset, size);
  }
  std::stable_sort(tensors.begin(), tensors.end(),
                   [](const FileTensor& a, const FileTensor& b) { return a.offset != b.offset ? a.offset < b.offset : a.bytes < b.bytes; });
  int64_t free = section.begin;  // where the next tensor must begin, give or take padding
  const FileTensor* before = nullptr;
  for (const FileTensor& tensor : tensors) {
    std::string name = escapedShort(tensor.name);
    if (tensor.offset < free)
      return bad(fmt::format("tensor '{}' begins at byte {}, inside tensor '{}' (bytes {} to {}): they overlap", name, tensor.offset,
                             escapedShort(before->name), before->offset, free));
    int64_t wanted = roundUp(free - section.begin, section.alignment) + section.begin;
    if (tensor.offset > wanted) {
      std::string where = before == nullptr ? fmt::format("before the first tensor '{}'", name)
                                            : fmt::format("between the tensors '{}' and '{}'", escapedShort(before->name), name);
      return bad(fmt::format("a hole of {} {} (bytes {} to {}); tensors must not leave holes",
                             counted(static_cast<size_t>(tensor.offset - free), "byte"), where, free, tensor.offset));
    }
    free = tensor.offset + tensor.bytes;
    before = &tensor;
  }
  int64_t end = roundUp(free - section.begin, section.alignment) + section.begin;
  if (size > end)
    return bad(fmt::format("{} behind {}, which ends at byte {}", counted(static_cast<size_t>(size - end), "surplus byte"),
                           before == nullptr ? "the header" : fmt::format("the last tensor '{}'", escapedShort(before->name)), free));
  return {};
}

std::vector<uint32_t> sortedByName(std::span<const FileTensor> tensors) {
  std::vector<uint32_t> order(tensors.size());
  std::iota(order.begin(), order.end(), 0u);
  std::sort(order.begin(), order.end(),
            [&](uint32_t a, uint32_t b) { return tensors[a].name != tensors[b].name ? tensors[a].name < tensors[b].name : a < b; });
  return order;
}

Result<void> checkNamesDiffer(const std::string& file, std::span<const FileTensor> tensors) {
  std::vector<uint32_t> order = sortedByName(tensors);
  for (size_t i = 1; i < order.size(); ++i)
    if (tensors[order[i]].name == tensors[order[i - 1]].name)
      return badInput(fmt::format("{}: tensor '{}' is there twice", escapedShort(file), escapedShort(tensors[order[i]].name)));
  return {};
}

}  // namespace quern
