// models/tokenizer/Tokenizer.cpp — see Tokenizer.h. How text becomes ids: Encoder.h.
#include "models/tokenizer/Tokenizer.h"

#include "compiler/base/Text.h"
#include "models/tokenizer/Encoder.h"

#include <algorithm>
#include <fmt/format.h>

namespace quern {

Result<Tokenizer> Tokenizer::make(TokenizerData data) {
  auto tables = TokenizerTables::make(std::move(data));
  if (!tables) return tables.error();
  return Tokenizer(std::move(*tables));
}

Result<std::vector<int32_t>> Tokenizer::encode(std::string_view text, EncodeOptions options) const {
  if (text.size() > static_cast<size_t>(kMaxTextBytes))
    return badInput(fmt::format("the text has {} bytes, at most {} are encoded at once", text.size(), kMaxTextBytes));
  Encoder encoder(*tables_, options.parseSpecial, options.within);
  const TokenizerData& data = tables_->data;
  if (options.addBos && data.addBos) {
    encoder.ids().push_back(data.bos);
    encoder.ids().insert(encoder.ids().end(), data.afterBos.begin(), data.afterBos.end());
  }
  if (auto good = encoder.add(text); !good) return good.error();
  if (options.addEos && data.addEos) {
    encoder.ids().insert(encoder.ids().end(), data.beforeEos.begin(), data.beforeEos.end());
    encoder.ids().push_back(data.eos);
  }
  return std::move(encoder.ids());
}

Error Tokenizer::outside(int32_t id) const {
  return badInput(fmt::format("{}: token {} is outside the vocabulary of {}", escaped(file()), id, size()));
}

Result<std::string_view> Tokenizer::piece(int32_t id) const {
  if (id < 0 || id >= size()) return outside(id);
  return tables_->pieces[id];
}

Result<std::string_view> Tokenizer::spelling(int32_t id) const {
  if (id < 0 || id >= size()) return outside(id);
  return tables_->data.tokens[id];
}

Result<std::string> Tokenizer::decode(std::span<const int32_t> ids) const {
  std::string out;
  bool atStart = stripsLeadingSpace();
  for (int32_t id : ids) {
    auto bytes = piece(id);
    if (!bytes) return bytes.error();
    if (!tables_->prints(id)) continue;
    out += atStart && bytes->starts_with(' ') ? bytes->substr(1) : *bytes;
    atStart = false;
  }
  return out;
}

bool Tokenizer::isEnd(int32_t id) const { return std::binary_search(tables_->ends.begin(), tables_->ends.end(), id); }
bool Tokenizer::isControl(int32_t id) const { return id >= 0 && id < size() && !tables_->prints(id); }
int32_t Tokenizer::size() const { return tables_->data.tokens.size(); }
int32_t Tokenizer::bos() const { return tables_->data.bos; }
int32_t Tokenizer::eos() const { return tables_->data.eos; }
bool Tokenizer::addsBos() const { return tables_->data.addBos; }
bool Tokenizer::stripsLeadingSpace() const { return tables_->data.leadingBlank; }
int64_t Tokenizer::longestPiece() const { return tables_->longestPiece; }
const std::string& Tokenizer::file() const { return tables_->data.file; }

}  // namespace quern
