// models/ModelText.cpp — see ModelText.h.
#include "models/ModelText.h"

#include "compiler/base/Text.h"
#include "models/tokenizer/EndIds.h"
#include "models/tokenizer/ModelTokenizer.h"

#include <algorithm>
#include <fmt/format.h>

namespace quern {

Result<ModelText> ModelText::read(const ModelSource& source) {
  ModelText text;
  if (source.files == nullptr) {
    text.why_ = badInput(fmt::format("{}: has no tokenizer: ids work, text does not", escaped(source.weights.label())));
    return text;
  }
  auto tokenizer = readModelTokenizer(*source.files);
  if (tokenizer) text.tokenizer_.emplace(std::move(*tokenizer));
  else text.why_ = tokenizer.error();
  auto ends = endIdsOf(*source.files);
  if (!ends) return ends.error();
  text.ends_ = std::move(*ends);
  return text;
}

Result<const Tokenizer*> ModelText::needTokenizer() const {
  if (!tokenizer_) return *why_;
  return &*tokenizer_;
}

bool ModelText::endsAt(int32_t id) const {
  return (tokenizer_ && tokenizer_->isEnd(id)) || std::find(ends_.begin(), ends_.end(), id) != ends_.end();
}

int64_t ModelText::drawable(int64_t rows) const { return tokenizer_ ? std::min<int64_t>(tokenizer_->size(), rows) : rows; }

}  // namespace quern
