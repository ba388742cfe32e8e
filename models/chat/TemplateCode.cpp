// models/chat/TemplateCode.cpp — see TemplateCode.h.
#include "models/chat/TemplateCode.h"

#include <algorithm>

namespace quern {

namespace {

bool isWord(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_'; }
bool isBlank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

class Rewriter {
public:
  explicit Rewriter(std::string_view text) : text_(text) {
    if (text_.ends_with('\n')) text_.remove_suffix(1);  // as Jinja does
    out_.reserve(text.size());
  }

  std::string run() {
    while (at_ < text_.size()) {
      outside();
      std::string_view rest = text_.substr(at_);
      if (rest.starts_with("{#")) comment();
      else if (rest.starts_with("{{")) code("}}");
      else if (rest.starts_with("{%")) code("%}");
    }
    return std::move(out_);
  }

private:
  /// Up to the next tag, less what either tag strips.
  void outside() {
    size_t end = at_;
    while (end < text_.size() && !(text_[end] == '{' && end + 1 < text_.size() && std::string_view("{%#").find(text_[end + 1]) < 3)) ++end;
    std::string_view part = text_.substr(at_, end - at_);
    bool lineBegins = at_ == 0 || text_[at_ - 1] == '\n';
    at_ = end;
    if (strips_)
      while (!part.empty() && isBlank(part.front())) part.remove_prefix(1);
    else if (block_ && part.starts_with('\n')) part.remove_prefix(1), lineBegins = true;
    if (end < text_.size()) {
      char sign = end + 2 < text_.size() ? text_[end + 2] : ' ';
      if (sign == '-')
        while (!part.empty() && isBlank(part.back())) part.remove_suffix(1);
      else if (text_[end + 1] != '{' && sign != '+') {
        std::string_view kept = part;
        while (!kept.empty() && (kept.back() == ' ' || kept.back() == '\t')) kept.remove_suffix(1);
        if (kept.empty() ? lineBegins : kept.back() == '\n') part = kept;
      }
    }
    if (part.empty()) return;
    openExpression();
    openString();
    for (char c : part) add(c);
    closeString();
    closeExpression();
  }

  void comment() {
    size_t end = text_.find("#}", at_ + 2);
    strips_ = end != std::string_view::npos && text_[end - 1] == '-';
    block_ = true;
    at_ = end == std::string_view::npos ? text_.size() : end + 2;
  }

  void code(std::string_view close) {
    block_ = close == "%}";
    if (block_) out_ += "{%", stringEnd_ = 0;
    else openExpression();
    at_ += 2;
    if (at_ < text_.size() && (text_[at_] == '-' || text_[at_] == '+')) ++at_;
    bool blank = false;
    while (at_ < text_.size()) {
      char c = text_[at_];
      strips_ = c == '-' && text_.substr(at_ + 1).starts_with(close);
      if (strips_ || text_.substr(at_).starts_with(close)) {
        at_ += strips_ ? 3 : 2;
        break;
      }
      if (isBlank(c)) {
        blank = true;
        ++at_;
      } else if (c == '\'' || c == '"') {
        string(c);
        blank = false;
      } else {
        if (blank && isWord(c) && isWord(out_.back())) out_ += ' ';
        blank = false;
        word();
      }
    }
    if (!block_) return closeExpression();
    out_ += "%}";
    for (std::string_view mark : {"{%generation%}", "{%endgeneration%}"})  // for those who train
      if (out_.ends_with(mark)) out_.erase(out_.size() - mark.size());
  }

  /// A member, or one character of anything else.
  void word() {
    for (std::string_view name : {"role", "content"}) {
      if (text_[at_] != '.' || !text_.substr(at_ + 1).starts_with(name)) continue;
      size_t end = at_ + 1 + name.size();
      if (end < text_.size() && isWord(text_[end])) continue;
      out_ += "['";
      out_ += name;
      out_ += "']";
      at_ = end;
      return;
    }
    out_ += text_[at_++];
  }

  void string(char quote) {
    openString();
    for (++at_; at_ < text_.size() && text_[at_] != quote; ++at_) {
      if (text_[at_] != '\\' || at_ + 1 == text_.size()) {
        add(text_[at_]);
        continue;
      }
      char next = text_[++at_];
      if (next != '"') out_ += '\\';
      out_ += next;
    }
    ++at_;
    closeString();
  }

  void add(char c) {
    if (c == '\n') out_ += "\\n";
    else if (c == '\'') out_ += "\\'";
    else out_ += c;
  }

  void openExpression() {
    if (expressionEnd_ != 0 && expressionEnd_ == out_.size()) {  // goes on
      out_.resize(out_.size() - 2);
      stringEnd_ = out_.ends_with('\'') ? out_.size() : 0;
      out_ += '+';
      return;
    }
    out_ += "{{";
    stringEnd_ = 0;
  }
  void closeExpression() {
    out_ += "}}";
    expressionEnd_ = out_.size();
  }
  void openString() {
    if (stringEnd_ != 0 && stringEnd_ + 1 == out_.size() && out_.back() == '+') out_.resize(stringEnd_ - 1);  // 'a'+'b' is 'ab'
    else out_ += '\'';
  }
  void closeString() {
    out_ += '\'';
    stringEnd_ = out_.size();
  }

  std::string_view text_;
  std::string out_;
  size_t at_ = 0;
  bool strips_ = false, block_ = false;       ///< the tag before: the white space behind it; it was no expression
  size_t stringEnd_ = 0, expressionEnd_ = 0;  ///< of `out_`, behind the last of each; 0: none yet
};

}  // namespace

std::string templateCode(std::string_view text) { return Rewriter(text).run(); }

std::optional<std::string> stringAt(std::string_view code, size_t& at) {
  std::string value;
  while (at < code.size()) {
    char c = code[at++];
    if (c == '\'') return value;
    if (c == '\\' && at < code.size()) {
      c = code[at++];
      if (c == 'n') c = '\n';
      else if (c == 't') c = '\t';
      else if (c != '\'' && c != '\\') return std::nullopt;
    }
    value += c;
  }
  return std::nullopt;
}

}  // namespace quern
