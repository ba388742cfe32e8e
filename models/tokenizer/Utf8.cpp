// models/tokenizer/Utf8.cpp — see Utf8.h.
#include "models/tokenizer/Utf8.h"

#include <algorithm>
#include <utf8proc.h>
#include <vector>

namespace quern {

/// Marks behind a base character, ordered by their combining class (those of the same class keep their order).
static void orderMarks(std::vector<utf8proc_int32_t>& points) {
  auto classOf = [](utf8proc_int32_t point) { return utf8proc_get_property(point)->combining_class; };
  for (size_t i = 0; i < points.size();) {
    if (classOf(points[i]) == 0) {
      ++i;
      continue;
    }
    size_t end = i;
    while (end < points.size() && classOf(points[end]) != 0) ++end;
    auto at = [&](size_t k) { return points.begin() + static_cast<std::ptrdiff_t>(k); };
    std::stable_sort(at(i), at(end), [&](auto a, auto b) { return classOf(a) < classOf(b); });
    i = end;
  }
}

/// A run of valid UTF-8 behind `out`.
static void appendForm(std::string& out, std::string_view run, bool compatible, bool composed) {
  std::vector<utf8proc_int32_t> points;
  points.reserve(run.size());
  auto how = static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_DECOMPOSE | (compatible ? UTF8PROC_COMPAT : 0));
  for (size_t at = 0; at < run.size();) {
    Utf8Char c = utf8At(run, at);
    at += c.bytes;
    utf8proc_int32_t parts[32];  // the longest decomposition is 18, the longest canonical one 4
    int boundary = 0;
    auto count = utf8proc_decompose_char(static_cast<utf8proc_int32_t>(c.value), parts, 32, how, &boundary);
    if (count < 1 || count > 32) parts[0] = static_cast<utf8proc_int32_t>(c.value), count = 1;
    points.insert(points.end(), parts, parts + count);
  }
  orderMarks(points);
  auto length = static_cast<utf8proc_ssize_t>(points.size());
  if (composed)
    length = utf8proc_normalize_utf32(points.data(), length, static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
  for (utf8proc_ssize_t i = 0; i < length; ++i) appendUtf8(out, static_cast<uint32_t>(points[static_cast<size_t>(i)]));
}

std::string normalForm(std::string_view text, bool compatible, bool composed) {
  bool ascii = std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
  if (ascii) return std::string(text);
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    size_t good = std::min(firstBadUtf8(text), text.size());
    if (good != 0) appendForm(out, text.substr(0, good), compatible, composed);
    if (good < text.size()) out += text[good++];
    text.remove_prefix(good);
  }
  return out;
}

}  // namespace quern
