// models/tokenizer/ByteAlphabet.h — byte-level BPE spells every byte as one printable character; this is the way back.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace quern {

/// The bytes that `spelling` stands for: 0x21-0x7e, 0xa1-0xac and 0xae-0xff are themselves as code points; the other 68
/// bytes, in order, are U+0100 to U+0143.
/// nullopt where it has another character, or is not UTF-8.
/// Source   Radford et al., Language Models are Unsupervised Multitask Learners (GPT-2), bytes_to_unicode.
std::optional<std::string> bytesOfSpelling(std::string_view spelling);

/// The other way.
std::string spellingOfBytes(std::string_view bytes);

}  // namespace quern
