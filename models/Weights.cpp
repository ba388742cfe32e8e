// models/Weights.cpp — see Weights.h.
#include "models/Weights.h"

#include "compiler/base/Check.h"
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

/// `given` spelled by `to`, where it is of the form `from`: a `*` is digits, the same in both.
static std::optional<std::string> translated(std::string_view given, std::string_view from, std::string_view to) {
  size_t star = from.find('*');
  if (star == std::string_view::npos) return given == from ? std::optional<std::string>(to) : std::nullopt;
  std::string_view head = from.substr(0, star), tail = from.substr(star + 1);
  if (given.size() <= head.size() + tail.size() || !given.starts_with(head) || !given.ends_with(tail)) return std::nullopt;
  std::string_view number = given.substr(head.size(), given.size() - head.size() - tail.size());
  if (!std::all_of(number.begin(), number.end(), [](char c) { return c >= '0' && c <= '9'; })) return std::nullopt;
  size_t place = to.find('*');
  return fmt::format("{}{}{}", to.substr(0, place), number, to.substr(place + 1));
}

Weights Weights::ofFiles(const WeightFiles& files, std::span<const WeightName> names, std::span<const std::string_view> ignored) {
  Weights weights(files.path());
  weights.files_ = &files;
  weights.names_.assign(names.begin(), names.end());
  for (const FileTensor& tensor : files.tensors()) {
    bool skipped = std::any_of(ignored.begin(), ignored.end(),
                               [&](std::string_view pattern) { return translated(tensor.name, pattern, pattern).has_value(); });
    if (skipped) continue;
    std::string name = weights.ownName(tensor.name);
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

std::string Weights::ownName(const std::string& stored) const {
  for (const WeightName& known : names_)
    if (auto found = translated(stored, known.stored, known.name)) return *found;
  return stored;
}

void Weights::replace(const std::string& stored, TensorType type, std::vector<int64_t> shape, MadeRows made) {
  for (const std::string& part : made.parts) weights_.erase(ownName(part));
  auto bytes = tensorBytes(type, shape);
  QUERN_CHECK(bytes);
  std::string name = ownName(stored);
  if (has(name)) name += '\n' + stored;  // one that nobody takes
  weights_[name] = {stored, type, std::move(shape), nullptr, *bytes, nullptr, false, std::make_shared<const MadeRows>(std::move(made))};
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
  bool fits = std::equal(shape.begin(), shape.end(), weight.shape.begin(), weight.shape.end());
  if (!fits)
    return badInput(fmt::format("{}: tensor '{}' is {}, {} is needed", escaped(label_), escapedShort(weight.stored),
                                dimensionsText(weight.shape), dimensionsText(shape)));
  weight.used = true;
  return static_cast<const Weight*>(&weight);
}

Result<void> Weights::checkAllUsed() const {
  std::vector<std::string> unused;
  for (const auto& [name, weight] : weights_)
    if (!weight.used) unused.push_back(weight.stored.empty() ? "''" : escapedShort(weight.stored));
  if (unused.empty()) return {};
  size_t count = unused.size();
  constexpr size_t kShown = 3;
  unused.resize(std::min(count, kShown));
  std::string more = count > kShown ? fmt::format(" and {} more", count - kShown) : "";
  return badInput(fmt::format("{}: {} that the architecture has no use for: {}{}", escaped(label_), count == 1 ? "a tensor" : "tensors",
                              join(unused, ", "), more));
}

int64_t Weights::elements() const {
  int64_t all = 0;
  for (const auto& [name, weight] : weights_) all += *elementsOf(weight.shape);
  return all;
}

void Weights::drop(const Weight& weight) const {
  if (files_ == nullptr) return;
  if (weight.file != nullptr) files_->drop(*weight.file);
  if (weight.made == nullptr) return;
  for (const std::string& part : weight.made->parts)
    if (const FileTensor* tensor = files_->find(part)) files_->drop(*tensor);
}

}  // namespace quern
