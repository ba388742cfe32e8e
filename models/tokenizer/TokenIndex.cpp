// models/tokenizer/TokenIndex.cpp — see TokenIndex.h.
#include "models/tokenizer/TokenIndex.h"

#include <bit>
#include <cstring>
#include <random>

namespace quern {

/// Eight bytes a step: add, multiply by an odd constant (2^64 / golden ratio), fold the upper half down.
static uint64_t hashOf(std::string_view text, uint64_t start) {
  uint64_t hash = start ^ text.size();
  while (!text.empty()) {
    uint64_t word = 0;
    size_t count = std::min<size_t>(text.size(), 8);
    std::memcpy(&word, text.data(), count);
    hash = (hash ^ word) * 0x9e3779b97f4a7c15u;
    hash = (hash ^ hash >> 32) * 0x9e3779b97f4a7c15u + start;
    text.remove_prefix(count);
  }
  return hash ^ hash >> 29;
}

TokenIndex::TokenIndex(const TokenTexts& texts, const std::function<bool(int32_t)>& takes) {
  std::random_device random;
  start_ = uint64_t{random()} << 32 | random();
  slots_.assign(std::bit_ceil(static_cast<size_t>(texts.size()) * 2 + 2), -1);
  for (int32_t id = 0; id < texts.size(); ++id) {
    if (!takes(id)) continue;
    size_t place = placeOf(texts, texts[id]);
    if (slots_[place] < 0) slots_[place] = id;
    else if (!duplicate_) duplicate_ = {slots_[place], id};
  }
}

size_t TokenIndex::placeOf(const TokenTexts& texts, std::string_view text) const {
  size_t mask = slots_.size() - 1, place = hashOf(text, start_) & mask;
  while (slots_[place] >= 0 && texts[slots_[place]] != text) place = (place + 1) & mask;
  return place;
}

int32_t TokenIndex::find(const TokenTexts& texts, std::string_view text) const {
  return slots_.empty() ? -1 : slots_[placeOf(texts, text)];
}

}  // namespace quern
