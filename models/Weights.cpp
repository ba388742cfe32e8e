// models/Weights.cpp — see Weights.h.
#include "models/Weights.h"

#include "compiler/base/Check.h"
#include "compiler/base/LineSum.h"
#include "compiler/base/Text.h"

#include <algorithm>
#include <fmt/format.h>

namespace quern {

/// Of elements that kernels read as files have them.
static constexpr ElementType kTypes[] = {ElementType::F32,  ElementType::F16,    ElementType::BF16,   ElementType::Q8_0,
                                         ElementType::Q4_0, ElementType::Q4_1,   ElementType::Q5_0,   ElementType::Q5_1,
                                         ElementType::Q2_K, ElementType::Q3_K,   ElementType::Q4_K,   ElementType::Q5_K,
                                         ElementType::Q6_K, ElementType::IQ4_NL, ElementType::IQ4_XS, ElementType::MXFP4};

TensorType fileTypeOf(ElementType type) {
  auto found = typeOfName(text(type));
  QUERN_CHECK(found);
  return *found;
}

std::optional<ElementType> elementTypeOf(TensorType type) {
  for (ElementType own : kTypes)
    if (text(own) == nameOf(type)) return own;
  return std::nullopt;
}

/// `given` spelled by `to`, where it is of the form `from`: each `*` is digits, the same in both.
static std::optional<std::string> translated(std::string_view given, std::string_view from, std::string_view to) {
  std::string out;
  for (size_t star = from.find('*'); star != std::string_view::npos; star = from.find('*')) {
    if (!given.starts_with(from.substr(0, star))) return std::nullopt;
    given.remove_prefix(star), from.remove_prefix(star + 1);
    size_t digits = std::min(given.find_first_not_of("0123456789"), given.size());
    if (digits == 0) return std::nullopt;
    size_t place = to.find('*');
    out += fmt::format("{}{}", to.substr(0, place), given.substr(0, digits));
    given.remove_prefix(digits), to.remove_prefix(place + 1);
  }
  return given == from ? std::optional<std::string>(out.append(to)) : std::nullopt;
}

Weights Weights::ofFiles(const WeightFiles& files, std::span<const WeightName> names, std::span<const std::string_view> ignored) {
  Weights weights(files.path());
  weights.files_ = &files;
  weights.names_.assign(names.begin(), names.end());
  for (const FileTensor& tensor : files.tensors()) {
    bool skipped = std::any_of(ignored.begin(), ignored.end(),
                               [&](std::string_view pattern) { return translated(tensor.name, pattern, pattern).has_value(); });
    if (skipped) continue;
    std::string name = ownNameOf(names, tensor.name);
    // Two stored names of one weight: the second stays one that nobody takes.
    if (weights.has(name)) name += '\n' + tensor.name;
    weights.weights_[name] = {tensor.name, tensor.type, tensor.shape, tensor.data, tensor.bytes, &tensor, false, nullptr};
  }
  return weights;
}

void Weights::add(const std::string& name, std::vector<int64_t> shape, const std::vector<float>& values) {
  weights_[name] = {name,
                    TensorType::F32,
                    std::move(shape),
                    reinterpret_cast<const std::byte*>(values.data()),
                    static_cast<int64_t>(values.size()) * 4,
                    nullptr,
                    false,
                    nullptr};
}

std::string ownNameOf(std::span<const WeightName> names, const std::string& stored) {
  for (const WeightName& known : names)
    if (auto found = translated(stored, known.stored, known.name)) return *found;
  return stored;
}

void Weights::replace(const std::string& stored, TensorType type, std::vector<int64_t> shape, MadeRows made) {
  for (const std::string& part : made.parts) weights_.erase(ownNameOf(names_, part));
  auto bytes = tensorBytes(type, shape);
  QUERN_CHECK(bytes);
  std::string name = ownNameOf(names_, stored);
  if (has(name)) name += '\n' + stored;  // one that nobody takes
  made.shape = shape;
  weights_[name] = {stored, type, std::move(shape), nullptr, *bytes, nullptr, false, std::make_shared<const MadeRows>(std::move(made))};
}

const Weight* Weights::make(const std::string& name, TensorType type, std::vector<int64_t> shape, MadeRows made) {
  auto bytes = tensorBytes(type, shape);
  QUERN_CHECK_FOR(bytes && !has(name), name);
  made.shape = shape;
  auto rows = std::make_shared<const MadeRows>(std::move(made));
  return &(weights_[name] = {name, type, std::move(shape), nullptr, *bytes, nullptr, true, std::move(rows)});
}

const Weight* Weights::find(const std::string& name) const {
  auto found = weights_.find(name);
  return found == weights_.end() ? nullptr : &found->second;
}

std::vector<LowRank> Weights::takeLowRanks(const std::string& name) {
  auto found = lowRanks_.find(name);
  if (found == lowRanks_.end()) return {};
  for (LowRank& each : found->second) each.down.used = each.up.used = true;
  return found->second;
}

std::string Weights::storedName(const std::string& name) const {
  for (const WeightName& known : names_)
    if (auto found = translated(name, known.name, known.stored)) return *found;
  return name;
}

Result<const Weight*> Weights::take(const std::string& name, std::span<const int64_t> shape) {
  auto found = weights_.find(name);
  if (found == weights_.end()) return badInput(fmt::format("{}: tensor '{}' is missing", escaped(label_), escaped(storedName(name))));
  Weight& weight = found->second;
  bool one = shape.size() > 1 && shape[0] == 1 && weight.shape.size() + 1 == shape.size();  // a single row may be a vector
  std::span<const int64_t> needed = shape.subspan(one ? 1 : 0);
  bool fits = std::equal(needed.begin(), needed.end(), weight.shape.begin(), weight.shape.end());
  if (!fits)
    return badInput(fmt::format("{}: tensor '{}' is {}, {} is needed", escaped(label_), escapedShort(weight.stored),
                                dimensionsText(weight.shape), dimensionsText(shape)));
  weight.used = true;
  return static_cast<const Weight*>(&weight);
}

/// Rows first .. first + count - 1 of a weight; a single one of a stack is without the stack's extent.
static Weight rowsOf(const Weight& whole, int64_t first, int64_t count) {
  Weight piece = whole;
  int64_t each = whole.shape[0] == 0 ? 0 : whole.bytes / whole.shape[0];
  piece.shape[0] = count;
  if (count == 1 && piece.shape.size() > 1) piece.shape.erase(piece.shape.begin());
  if (piece.data != nullptr) piece.data += first * each;
  piece.bytes = count * each;
  if (whole.made == nullptr) return piece;
  int64_t inner = each == 0 || whole.shape.size() < 2 ? 1 : each / *rowBytes(whole.type, whole.shape.back());  // rows of the last extent
  piece.made = std::make_shared<const MadeRows>(
      MadeRows{[of = whole.made, before = first * inner](int64_t row, int64_t some, std::byte* to) { of->put(before + row, some, to); },
               whole.made->parts, whole.made->shape});
  return piece;
}

void Weights::splitLowRanks(const std::string& name, std::span<const std::pair<std::string, int64_t>> parts) {
  auto found = lowRanks_.find(name);
  if (found == lowRanks_.end()) return;
  std::vector<LowRank> wholes = std::move(found->second);
  lowRanks_.erase(found);
  for (const LowRank& whole : wholes) {
    int64_t at = 0, rows = 0;
    for (const auto& [part, count] : parts) rows += count;
    bool stacked = whole.down.shape.size() > 2;
    if (whole.up.shape[0] != rows || (stacked && whole.down.shape[0] != rows)) {
      lowRanks_[name].push_back(whole);  // one that nobody takes
      continue;
    }
    for (const auto& [part, count] : parts) {
      LowRank piece = whole;
      piece.up = rowsOf(whole.up, at, count);
      if (!stacked) piece.up.shape = {count, whole.up.shape.back()};
      else piece.down = rowsOf(whole.down, at, count);
      at += count;
      lowRanks_[part].push_back(std::move(piece));
    }
  }
}

Result<void> Weights::split(const std::string& name, std::span<const std::pair<std::string, int64_t>> parts) {
  auto found = weights_.find(name);
  if (found == weights_.end()) return badInput(fmt::format("{}: tensor '{}' is missing", escaped(label_), escaped(storedName(name))));
  Weight whole = found->second;
  int64_t rows = 0, at = 0;
  for (const auto& [part, count] : parts) rows += count;
  if (whole.shape.empty() || whole.shape[0] != rows)
    return badInput(fmt::format("{}: tensor '{}' is {}, a first extent of {} is needed", escaped(label_), escapedShort(whole.stored),
                                dimensionsText(whole.shape), rows));
  int64_t each = rows == 0 ? 0 : whole.bytes / rows;
  if (rows * each != whole.bytes)
    return badInput(fmt::format("{}: tensor '{}' is {} of {}, whose blocks would have to be cut; f32, f16 or bf16 is needed",
                                escaped(label_), escapedShort(whole.stored), nameOf(whole.type), dimensionsText(whole.shape)));
  weights_.erase(found);
  for (const auto& [part, count] : parts) {
    weights_[part] = rowsOf(whole, at, count);
    at += count;
  }
  splitLowRanks(name, parts);
  return {};
}

Error Weights::unused(const std::string& file, std::vector<std::string> tensors) const {
  size_t count = tensors.size();
  constexpr size_t kShown = 3;
  tensors.resize(std::min(count, kShown));
  std::string more = count > kShown ? fmt::format(" and {} more", count - kShown) : "";
  return badInput(fmt::format("{}: {} that the architecture has no use for: {}{}", escaped(file), count == 1 ? "a tensor" : "tensors",
                              join(tensors, ", "), more));
}

Result<void> Weights::checkAllUsed() const {
  auto shown = [](const Weight& weight) { return weight.stored.empty() ? "''" : escapedShort(weight.stored); };
  std::vector<std::string> tensors;
  for (const auto& [name, weight] : weights_)
    if (!weight.used) tensors.push_back(shown(weight));
  if (!tensors.empty()) return unused(label_, std::move(tensors));
  std::string file;
  for (const auto& [name, all] : lowRanks_)
    for (const LowRank& each : all) {
      if (each.down.used || !(file.empty() || file == each.file)) continue;
      file = each.file;
      tensors.push_back(shown(each.down));
    }
  return tensors.empty() ? Result<void>() : unused(file, std::move(tensors));
}

int64_t Weights::elements() const {
  int64_t all = 0;
  for (const auto& [name, weight] : weights_) all += *elementsOf(weight.shape);
  return all;
}

uint64_t Weights::sampleSum() const {
  constexpr int64_t kPiece = 4096;
  uint64_t sum = 0;
  auto add = [&](const std::byte* data, size_t bytes) {
    const uint64_t both[] = {sum, lineSum(data, bytes)};
    sum = lineSum(reinterpret_cast<const std::byte*>(both), sizeof both);
  };
  auto sample = [&](const std::byte* data, int64_t all) {
    int64_t bytes = std::min(kPiece, all), last = all - bytes;
    for (int64_t at : {int64_t{0}, last / 2, last}) add(data + at, static_cast<size_t>(bytes));
  };
  auto addWeight = [&](std::string said, const Weight& weight) {
    said += fmt::format(" {}", static_cast<int>(weight.type));
    for (int64_t extent : weight.shape) said += fmt::format(" {}", extent);
    add(reinterpret_cast<const std::byte*>(said.data()), said.size());
    if (weight.data != nullptr) sample(weight.data, weight.bytes);
    for (const std::string& part : weight.made == nullptr ? std::vector<std::string>() : weight.made->parts)
      if (const FileTensor* tensor = files_->find(part); tensor != nullptr && tensor->data != nullptr) sample(tensor->data, tensor->bytes);
  };
  for (const auto& [name, weight] : weights_) addWeight(name, weight);
  for (const auto& [name, all] : lowRanks_)
    for (const LowRank& each : all) {
      addWeight(fmt::format("{} down {}", name, each.scale), each.down);
      addWeight(fmt::format("{} up {}", name, each.heads), each.up);
    }
  return sum;
}

void Weights::drop(const Weight& weight) const {
  if (files_ == nullptr) return;
  if (weight.file != nullptr) files_->drop(*weight.file);
  if (weight.made == nullptr) return;
  for (const std::string& part : weight.made->parts)
    if (const FileTensor* tensor = files_->find(part)) files_->drop(*tensor);
}

}  // namespace quern
