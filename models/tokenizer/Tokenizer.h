// models/tokenizer/Tokenizer.h — text to token ids and back. Ids to text as they come: TextStream.h.
#pragma once

#include "compiler/base/Result.h"
#include "models/tokenizer/TokenizerData.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace quern {

struct TokenizerTables;

struct EncodeOptions {
  bool addBos = true;         ///< begin-of-text first, where the tokenizer asks for it
  bool addEos = false;        ///< end-of-text last, where the tokenizer asks for it: for whole texts, not for what a model goes on with
  bool parseSpecial = false;  ///< control tokens spelled in the text are read as themselves, not as text
  /// With parseSpecial: only where they lie whole inside one of these, which ascend and do not touch. None: everywhere.
  std::optional<std::span<const TextRange>> within = {};
};

/// A tokenizer ready to run. Copies share one table.
///
/// Threads  any number may encode and decode at once.
/// Cost     encode is O(n log n) in the text's bytes, whatever the text.
class Tokenizer {
public:
  /// Errors   BadInput naming the file, the field, its value and what would be right.
  static Result<Tokenizer> make(TokenizerData data);

  /// The ids of `text`. Bytes that are not UTF-8 are taken one by one.
  /// Errors   BadInput: a byte or character that no token stands for; more than kMaxTextBytes.
  Result<std::vector<int32_t>> encode(std::string_view text, EncodeOptions options = {}) const;

  /// The bytes of `ids`, control tokens left out, SentencePiece's leading blank taken away. Not necessarily UTF-8.
  /// Errors   BadInput naming an id outside the vocabulary and its size.
  Result<std::string> decode(std::span<const int32_t> ids) const;

  /// The bytes that one id prints; none for control tokens. Valid as long as any copy of the tokenizer.
  Result<std::string_view> piece(int32_t id) const;
  /// The token's own text, control tokens included; SentencePiece's with U+2581 for blanks and <0x0A> for bytes.
  Result<std::string_view> spelling(int32_t id) const;

  bool isEnd(int32_t id) const;      ///< end of text, of turn, of message
  bool isControl(int32_t id) const;  ///< prints nothing
  int32_t size() const;              ///< ids are 0 to size() - 1
  int32_t bos() const;               ///< -1: none
  int32_t eos() const;               ///< -1: none
  bool addsBos() const;
  bool stripsLeadingSpace() const;  ///< a text's first blank is the tokenizer's, not the text's
  int64_t longestPiece() const;     ///< bytes
  const std::string& file() const;

  static constexpr int64_t kMaxTextBytes = int64_t{64} << 20;

private:
  explicit Tokenizer(std::shared_ptr<const TokenizerTables> tables) : tables_(std::move(tables)) {}
  Error outside(int32_t id) const;

  std::shared_ptr<const TokenizerTables> tables_;
};

}  // namespace quern
