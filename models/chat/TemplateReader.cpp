// models/chat/TemplateReader.cpp — see TemplateReader.h.
#include "models/chat/TemplateReader.h"

#include "models/chat/TemplateCode.h"

#include <algorithm>

namespace quern {

namespace {

bool aboutTools(std::string_view code) {
  return code.find("tool") != std::string_view::npos || code.find("ipython") != std::string_view::npos;
}

/// Conversations have none: what asks for them is not taken.
bool isAbsent(std::string_view condition) {
  return condition == "if documents" || condition == "if controls" || condition.find("message.get('function") != condition.npos;
}

/// A chain of if, elif and else.
struct Chain {
  bool tools = false;        ///< the branch in hand is taken only in conversations with tools
  bool othersTools = false;  ///< and so are the branches behind it
};

/// Removes `words` wherever they stand; whether they did.
bool takeAway(std::string& text, std::string_view words) {
  size_t at = text.find(words), done = 0;
  if (at == std::string::npos) return false;
  std::string kept;
  for (; at != std::string::npos; at = text.find(words, done)) {
    kept.append(text, done, at - done);
    done = at + words.size();
  }
  text = kept.append(text, done, std::string::npos);
  return true;
}

/// A branch with this condition. Conversations without tools have "not" in front of what asks for them.
void enter(Chain& chain, std::string_view condition) {
  std::string rest(condition);
  bool without = false;
  for (std::string_view none :
       {"not message.tool_calls", "not message['tool_calls']", "not tools", "tools is none", "tools is not defined"})
    without = takeAway(rest, none) || without;
  takeAway(rest, "not ns.is_tool");
  bool types = condition.starts_with("macro render_");  // of what tools take
  chain.tools = chain.othersTools || types || isAbsent(condition) || (aboutTools(rest) && !condition.starts_with("if not("));
  chain.othersTools = chain.othersTools || without;
}

/// Where the code of a tag that begins at `at` ends: strings may hold its closing signs.
size_t tagEnd(std::string_view code, size_t at, std::string_view close) {
  for (size_t i = at + 2; i < code.size(); ++i) {
    if (code.substr(i).starts_with(close)) return i;
    if (code[i] != '\'') continue;
    size_t behind = i + 1;
    if (!stringAt(code, behind)) return code.size();
    i = behind - 1;
  }
  return code.size();
}

/// `*` of the pattern stands for anything inside a string.
bool matches(std::string_view pattern, std::string_view text) {
  size_t star = pattern.find('*');
  if (star == std::string_view::npos) return pattern == text;
  if (!text.starts_with(pattern.substr(0, star))) return false;
  std::string_view behind = pattern.substr(star + 1);
  for (size_t i = star; i <= text.size(); ++i) {
    if (matches(behind, text.substr(i))) return true;
    if (i == text.size() || text[i] == '\'') return false;
    if (text[i] == '\\') ++i;
  }
  return false;
}

/// 'a'+message['content']|trim+eos_token as a form; nothing for anything else.
std::optional<TurnForm> turnOf(std::string_view expression) {
  TurnForm form;
  bool content = false;
  size_t at = 0;
  auto take = [&](std::string_view word) {
    if (!expression.substr(at).starts_with(word)) return false;
    at += word.size();
    return true;
  };
  while (true) {
    std::string& into = content ? form.after : form.before;
    if (take("'")) {
      auto text = stringAt(expression, at);
      if (!text) return std::nullopt;
      into += *text;
    } else if (take("bos_token")) {
      into += kBosMark;
    } else if (take("eos_token")) {
      into += kEosMark;
    } else if (!content && take("message['content']")) {
      content = true;
      form.trim = take("|trim") || take(".strip()");
    } else {
      return std::nullopt;
    }
    if (at == expression.size()) return content ? std::optional(form) : std::nullopt;
    if (!take("+")) return std::nullopt;
  }
}

}  // namespace

TemplateReader::TemplateReader(std::string_view text) : code_(templateCode(text)) {
  std::vector<Chain> around;
  int64_t ofTools = 0;  // among those around
  auto inner = [&](const auto& change) {
    ofTools -= around.back().tools ? 1 : 0;
    change(around.back());
    ofTools += around.back().tools ? 1 : 0;
  };
  for (size_t at = 0; at < code_.size();) {
    std::string_view rest = std::string_view(code_).substr(at);
    bool block = rest.starts_with("{%");
    size_t end = tagEnd(code_, at, block ? "%}" : "}}");
    std::string_view inside = std::string_view(code_).substr(at + 2, end > at + 2 ? end - at - 2 : 0);
    at = end + 2;
    if (!block) {
      all_.emplace_back(inside);
      if (ofTools == 0 && inside.find("raise_exception(") == std::string_view::npos) plain_.emplace_back(inside);
    } else if (inside.starts_with("set ")) {
      sets_.emplace_back(inside.substr(4));
    } else if (inside.starts_with("if") || inside.starts_with("for") || inside.starts_with("macro")) {
      around.emplace_back();
      inner([&](Chain& chain) { enter(chain, inside); });
    } else if (around.empty()) {
      continue;
    } else if (inside.starts_with("elif")) {
      inner([&](Chain& chain) { enter(chain, inside); });
    } else if (inside == "else") {
      inner([](Chain& chain) { chain.tools = chain.othersTools; });
    } else if (inside == "endif" || inside == "endfor" || inside == "endmacro") {
      inner([](Chain& chain) { chain.tools = false; });
      around.pop_back();
    }
  }
}

bool TemplateReader::hasAny(std::initializer_list<std::string_view> fragments) const {
  return std::any_of(fragments.begin(), fragments.end(), [&](std::string_view each) { return has(each); });
}

bool TemplateReader::writes(std::string_view expression) const {
  return std::any_of(all_.begin(), all_.end(), [&](const std::string& each) { return matches(expression, each); });
}

bool TemplateReader::writesOnly(std::span<const std::string_view> expressions) const {
  return std::all_of(plain_.begin(), plain_.end(), [&](const std::string& each) {
    return std::any_of(expressions.begin(), expressions.end(), [&](std::string_view known) { return matches(known, each); });
  });
}

bool TemplateReader::setsOnly(std::string_view name, std::initializer_list<std::string_view> values) const {
  const std::string begin = std::string(name) + "=";
  bool any = false;
  for (std::string_view each : sets_) {
    if (!each.starts_with(begin)) continue;
    each.remove_prefix(begin.size());
    if (std::none_of(values.begin(), values.end(), [&](std::string_view known) { return matches(known, each); })) return false;
    any = true;
  }
  return any;
}

bool TemplateReader::beginsWithBos() const { return !plain_.empty() && plain_[0].starts_with("bos_token"); }

std::optional<std::string> TemplateReader::stringBetween(std::string_view before, std::string_view after) const {
  std::optional<std::string> found;
  for (size_t at = code_.find(before); at != std::string::npos; at = code_.find(before, at + 1)) {
    size_t end = at + before.size();
    auto text = stringAt(code_, end);
    std::string raw(std::string_view(code_).substr(at + before.size(), end - at - before.size()));
    size_t stop = after.empty() ? raw.size() - 1 : raw.find(after);
    if (!text || stop == std::string::npos) continue;
    raw.resize(stop);
    raw += '\'';
    size_t from = 0;
    auto value = stringAt(raw, from);
    if (found && *found != *value) return std::nullopt;
    found = std::move(*value);
  }
  return found;
}

std::vector<TurnForm> TemplateReader::turns() const {
  std::vector<TurnForm> forms;
  for (const std::string& each : all_)
    if (auto form = turnOf(each)) forms.push_back(std::move(*form));
  return forms;
}

}  // namespace quern
