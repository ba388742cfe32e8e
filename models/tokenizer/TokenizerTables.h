// models/tokenizer/TokenizerTables.h — a checked TokenizerData with what encoding and decoding look up. Only Tokenizer uses it.
#pragma once

#include "compiler/base/Result.h"
#include "models/tokenizer/AddedTokens.h"
#include "models/tokenizer/BytePairMerger.h"
#include "models/tokenizer/Normalizer.h"
#include "models/tokenizer/PatternCutter.h"
#include "models/tokenizer/SentencePieceMerger.h"
#include "models/tokenizer/TokenIndex.h"
#include "models/tokenizer/TokenizerData.h"
#include "models/tokenizer/UnigramModel.h"
#include "models/tokenizer/WordPieceModel.h"

#include <array>
#include <memory>

namespace quern {

struct TokenizerTables {
  /// Errors   BadInput: what Tokenizer::make says.
  static Result<std::shared_ptr<const TokenizerTables>> make(TokenizerData data);

  bool isBytes() const { return data.kind == TokenizerKind::ByteMerges; }
  TokenType type(int32_t id) const { return data.types[static_cast<size_t>(id)]; }
  bool prints(int32_t id) const { return type(id) != TokenType::Control && type(id) != TokenType::Unknown; }

  /// `part` as cutting wants it: normalised, blanks as U+2581 with one in front.
  /// Errors   BadInput: what Normalizer::run says.
  Result<std::string> normalized(std::string_view part) const;

  bool hasAffixes() const { return !data.continuingPrefix.empty() || !data.wordSuffix.empty(); }
  /// The token of a byte or character with what its place in the word puts around it; -1: none.
  int32_t affixed(std::string_view text, bool opens, bool closes) const;

  TokenizerData data;
  Normalizer normalizer;
  std::vector<PatternCutter> cutters;  ///< of data.cuts; empty ones where they are no patterns
  TokenIndex index;                    ///< the tokens that text may become
  std::array<int32_t, 256> byteIds;    ///< -1: no token stands for that byte
  BytePairMerger pairs;
  SentencePieceMerger scores;
  UnigramModel unigram;
  WordPieceModel words;
  AddedTokens addedToText, addedToNormalized;  ///< places in data.added
  TokenTexts pieces;                           ///< what each id prints
  std::vector<int32_t> ends;                   ///< sorted
  int64_t longestPiece = 0;

private:
  Result<void> check() const;
  Result<void> checkAdded() const;
  Result<void> checkScores() const;
  std::string escapedBlanks(std::string_view part) const;
  void makeModel();
  std::string printed(int32_t id) const;
  Result<void> addBytes();
  Result<void> addCutters();
  void addEnds();
  void addPieces();
  Result<void> addPatterns();
  bool mergeable(int32_t id) const {
    bool ownWords = data.kind == TokenizerKind::CharacterMerges && type(id) == TokenType::UserDefined;
    return type(id) == TokenType::Normal || type(id) == TokenType::Unused || ownWords;
  }
};

/// SentencePiece's blank, U+2581.
inline constexpr std::string_view kBlank = "\xe2\x96\x81";

/// The byte of "<0x0A>"; -1 for another text.
int byteOfSpelling(std::string_view spelling);

}  // namespace quern
