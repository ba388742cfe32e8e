// models/tokenizer/TextStream.cpp — see TextStream.h.
#include "models/tokenizer/TextStream.h"

#include "models/tokenizer/Utf8.h"

namespace quern {

static constexpr std::string_view kReplacement = "\xef\xbf\xbd";  // U+FFFD

TextStream::TextStream(const Tokenizer& tokenizer, bool begins)
    : tokenizer_(tokenizer), atStart_(begins && tokenizer.stripsLeadingSpace()) {
  held_.reserve(4);
  // At worst every byte is none of UTF-8, and one sequence was held before it.
  out_.reserve((static_cast<size_t>(tokenizer.longestPiece()) + 1) * kReplacement.size());
}

void TextStream::take(unsigned char byte) {
  if (!held_.empty()) {
    auto lead = static_cast<unsigned char>(held_[0]);
    auto place = static_cast<uint32_t>(held_.size());
    if (utf8Continues(lead, place, byte)) {
      held_ += static_cast<char>(byte);
      if (held_.size() < utf8Length(lead)) return;
      out_ += held_;
      held_.clear();
      return;
    }
    out_ += kReplacement;
    held_.clear();
  }
  uint32_t length = utf8Length(byte);
  if (length == 1) out_ += static_cast<char>(byte);
  else if (length == 0) out_ += kReplacement;
  else held_ += static_cast<char>(byte);
}

Result<std::string_view> TextStream::add(int32_t id) {
  auto piece = tokenizer_.piece(id);
  if (!piece) return piece.error();
  out_.clear();
  if (tokenizer_.isControl(id)) return std::string_view();
  if (atStart_ && piece->starts_with(' ')) piece->remove_prefix(1);
  atStart_ = false;
  for (char c : *piece) take(static_cast<unsigned char>(c));
  return std::string_view(out_);
}

std::string_view TextStream::flush() {
  out_.clear();
  if (!held_.empty()) out_ += kReplacement;
  held_.clear();
  return out_;
}

}  // namespace quern
