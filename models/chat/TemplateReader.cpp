// models/chat/TemplateReader.cpp — see TemplateReader.h.
#include "models/chat/TemplateReader.h"

#include "models/chat/TemplateCode.h"
#include "models/chat/TemplateConditions.h"

#include <algorithm>

namespace quern {

namespace {

/// A chain of if, elif and else.
struct Chain {
  bool never = false;        ///< the branch in hand is not taken in a conversation without tools
  bool othersNever = false;  ///< nor are those behind it
  bool answered = false;     ///< answers without calls of tools were in a branch before
};

constexpr std::string_view kAnswers = "message['role']=='assistant'";

/// A branch with this condition; whether it is known.
bool enter(Chain& chain, std::string_view condition) {
  TemplateCondition is = conditionOf(condition);
  chain.never = chain.othersNever || is == TemplateCondition::Never || (chain.answered && condition == kAnswers);
  chain.othersNever = chain.othersNever || is == TemplateCondition::Always;
  chain.answered = chain.answered || (condition.starts_with(kAnswers) && condition.find("tool_calls") != condition.npos);
  return chain.never || is != TemplateCondition::Unknown;
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
  int64_t never = 0;  // among those around
  auto inner = [&](const auto& change) {
    never -= around.back().never ? 1 : 0;
    change(around.back());
    never += around.back().never ? 1 : 0;
  };
  auto branch = [&](std::string_view condition) {
    bool reached = never == (around.back().never ? 1 : 0), known = true;
    inner([&](Chain& chain) { known = enter(chain, condition); });
    if (reached && !known) asked_.emplace_back(condition);
  };
  for (size_t at = 0; at < code_.size();) {
    std::string_view rest = std::string_view(code_).substr(at);
    bool block = rest.starts_with("{%");
    size_t end = tagEnd(code_, at, block ? "%}" : "}}");
    std::string_view inside = std::string_view(code_).substr(at + 2, end > at + 2 ? end - at - 2 : 0);
    at = end + 2;
    auto after = [&](std::string_view word) {
      std::string_view behind = inside.substr(word.size());
      return behind.starts_with(' ') ? behind.substr(1) : behind;
    };
    if (!block) {
      all_.emplace_back(inside);
      if (never != 0) continue;
      if (inside.find("raise_exception(") != std::string_view::npos) raised_.emplace_back(inside);
      else plain_.emplace_back(inside);
      if (inside.starts_with("bos_token") && !around.empty()) bosInside_ = true;
    } else if (inside.starts_with("set ")) {
      sets_.emplace_back(inside.substr(4));
    } else if (inside.starts_with("if")) {
      around.emplace_back();
      branch(after("if"));
    } else if (inside.starts_with("for") || inside.starts_with("macro")) {
      around.emplace_back();
      branch(inside);
    } else if (inside.starts_with("elif") && !around.empty()) {
      branch(after("elif"));
    } else if (inside == "else" && !around.empty()) {
      inner([](Chain& chain) { chain.never = chain.othersNever; });
    } else if ((inside == "endif" || inside == "endfor" || inside == "endmacro") && !around.empty()) {
      inner([](Chain& chain) { chain.never = false; });
      around.pop_back();
    } else if (never == 0) {
      asked_.emplace_back(inside);  // of a loop's course, or of other tags
    }
  }
}

bool TemplateReader::fits(const ChatForm& form, std::string_view ownCondition) const {
  for (const std::string& each : asked_)
    if (each != ownCondition) return false;
  for (const std::string& each : raised_) {
    if (each.find("alternate") != std::string::npos && !form.alternates) return false;
    bool ofSystem = each.find("ystem role not") != std::string::npos || each.find("ystem messages are not") != std::string::npos;
    if (ofSystem && form.systemPlace != SystemPlace::Refused) return false;
  }
  auto writesBos = [](const std::string& each) { return each.find("bos_token") != std::string::npos; };
  auto count = std::count_if(plain_.begin(), plain_.end(), writesBos);
  return count == 0 || (count == 1 && (form.user.before.starts_with(kBosMark) || (form.bos && beginsWithBos() && !bosInside_)));
}

size_t TemplateReader::count(std::string_view expression) const {
  return static_cast<size_t>(
      std::count_if(plain_.begin(), plain_.end(), [&](const std::string& each) { return matches(expression, each); }));
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
