// compiler/base/Text.h — small text helpers that every text form and message shares.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace quern {

std::string_view trim(std::string_view text);
std::vector<std::string> split(std::string_view text, char separator);
std::string join(std::span<const std::string> parts, std::string_view separator);

/// Whole text as a decimal int64 (optional '-'); nullopt for anything else, overflow included.
std::optional<int64_t> parseInt(std::string_view text);
/// Whole text as a finite or infinite double in C notation; nullopt for anything else.
std::optional<double> parseDouble(std::string_view text);

/// The shortest text that parses back to the same double (float for the second form).
std::string shortest(double value);
std::string shortest(float value);

/// The candidate with the smallest edit distance, if it is near enough to be a misspelling.
std::optional<std::string> nearest(std::string_view word, std::span<const std::string> candidates);
/// ", did you mean 'x'?" or "" — appended to messages about unknown names.
std::string didYouMean(std::string_view word, std::span<const std::string> candidates);

/// Control characters and non-ASCII bytes as \xNN: names from files before they reach a terminal.
std::string escaped(std::string_view text);
/// escaped(), cut in the middle where it is longer than 120 characters: for names whose length a file decides.
std::string escapedShort(std::string_view text);

/// "1 tensor", "3 tensors"
std::string counted(size_t count, std::string_view noun);
/// "1.50 MiB", "12 B"
std::string humanBytes(double bytes);
/// "950 ns", "12.3 us", "4.56 ms", "7.8 s"
std::string humanTime(double ns);

/// A value that needs quotes in key=value text gets them; others stay as they are.
std::string quotedIfNeeded(std::string_view value);

}  // namespace quern
