// models/ModelText.h — a model's words: its tokenizer, where it has one, which ids can come and which end a text.
#pragma once

#include "models/ModelSource.h"
#include "models/tokenizer/Tokenizer.h"

#include <optional>

namespace quern {

/// Threads  any number may ask at once.
class ModelText {
public:
  /// Of a model without files nothing is known: every id can come, none ends a text.
  /// Errors   BadInput: as endIdsOf. What is wrong with a tokenizer needTokenizer() says: ids work without.
  static Result<ModelText> read(const ModelSource& source);

  /// nullptr: there is none that can be used.
  const Tokenizer* tokenizer() const { return tokenizer_ ? &*tokenizer_ : nullptr; }
  /// Errors   BadInput: there is none; as readModelTokenizer.
  Result<const Tokenizer*> needTokenizer() const;
  /// Whether a text ends with this id, by the tokenizer or by the model's files.
  bool endsAt(int32_t id) const;
  /// How many ids can come, of a model with so many rows of logits: either may have some that the other lacks.
  int64_t drawable(int64_t rows) const;

private:
  std::optional<Tokenizer> tokenizer_;
  std::optional<Error> why_;  ///< there is no tokenizer
  std::vector<int32_t> ends_;
};

}  // namespace quern
