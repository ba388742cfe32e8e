// compiler/loops/ir/LoopTokens.cpp — see LoopTokens.h.
#include "compiler/loops/ir/LoopTokens.h"

#include "compiler/base/Text.h"

#include <fmt/format.h>

namespace quern {

static constexpr size_t kMaxName = 100;

void LoopTokens::fail(const std::string& why) {
  if (!failed_.empty()) return;
  failed_ =
      token_.kind == LoopToken::Kind::End ? why + ", not the end of the file" : fmt::format("{}, not '{}'", why, escapedShort(token_.text));
  failedLine_ = token_.line;
  token_ = {LoopToken::Kind::End, {}, token_.line};
}

void LoopTokens::word(std::string_view w) {
  if (!isWord(w)) return fail(fmt::format("'{}' expected", w));
  advance();
}

void LoopTokens::sign(std::string_view s) {
  if (!isSign(s)) return fail(fmt::format("'{}' expected", s));
  advance();
}

bool LoopTokens::accept(std::string_view s) {
  if (!isSign(s) && !isWord(s)) return false;
  advance();
  return true;
}

void LoopTokens::expect(LoopToken::Kind kind, std::string_view what) {
  if (token_.kind != kind) return fail(fmt::format("{} expected", what));
  advance();
}

std::string LoopTokens::takeText(LoopToken::Kind kind, std::string_view what) {
  std::string taken = token_.text;
  if (kind == LoopToken::Kind::Name && taken.size() > kMaxName) fail(fmt::format("a name of at most {} characters expected", kMaxName));
  expect(kind, what);
  return taken;
}

int64_t LoopTokens::takeInt(int64_t low, int64_t high, std::string_view what) {
  auto value = token_.kind == LoopToken::Kind::Number ? parseInt(token_.text) : std::nullopt;
  if (!value || *value < low || *value > high) return fail(fmt::format("{} ({} to {}) expected", what, low, high)), low;
  advance();
  return *value;
}

}  // namespace quern
