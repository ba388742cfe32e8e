// models/tokenizer/Encoder.h — one encode call: added tokens are found, what is between them is normalised, cut and merged.
#pragma once

#include "models/tokenizer/TokenizerTables.h"

#include <optional>
#include <span>

namespace quern {

class Encoder {
public:
  using Ranges = std::optional<std::span<const TextRange>>;

  /// `within`: as EncodeOptions has it.
  Encoder(const TokenizerTables& tables, bool parseSpecial, Ranges within = {})
      : tables_(tables), parseSpecial_(parseSpecial), within_(within) {}

  /// Appends the ids of `text`.
  /// Errors   BadInput: a byte or character that no token stands for.
  Result<void> add(std::string_view text);

  std::vector<int32_t>& ids() { return ids_; }
  uint64_t steps() const { return work_.steps; }

private:
  template <class OnText>
  Result<void> addParts(std::string_view text, const AddedTokens& added, const Ranges& within, const OnText& onText);
  /// What is found in the text, control tokens only within the ranges.
  std::vector<AddedMatch> find(std::string_view text, const AddedTokens& added, const Ranges& within) const;
  /// The ranges as they lie in the normalised form of the part of the text that begins at `offset`.
  Result<std::vector<TextRange>> normalizedRanges(std::string_view part, size_t offset, size_t normalizedBytes) const;
  Result<void> addNormalized(std::string_view part, bool first);
  /// The pieces that the cuts from `step` on make of a part, then those of the rule. `first`: it begins the text.
  Result<void> addCut(std::string_view part, size_t step, bool first);
  Result<void> addStep(std::string_view part, size_t step, bool first);
  Result<void> addPiece(std::string_view piece);
  Result<void> addBytes(std::string_view piece);
  Result<void> addCharacters(std::string_view piece);
  Result<void> addScored(std::string_view piece);
  Result<void> addUnigram(std::string_view piece);
  Result<void> addWord(std::string_view piece);
  /// The symbols that merging left, with fallbacks for those without an id.
  Result<void> takeMerged(std::string_view piece);
  /// Symbols for a stretch that no token stands for: its bytes, or the unknown token.
  Result<void> addFallback(std::string_view piece, uint32_t begin, uint32_t length);
  Result<void> addUnknown(std::string_view missing, uint32_t begin);
  void takeSymbols();

  const TokenizerTables& tables_;
  bool parseSpecial_;
  Ranges within_;
  MergeWork work_;
  std::vector<int32_t> ids_;
};

}  // namespace quern
