// models/tokenizer/TextStream.h — ids in, whole characters out, as a model says them.
#pragma once

#include "models/tokenizer/Tokenizer.h"

namespace quern {

/// Holds an unfinished UTF-8 sequence until the ids that finish it come; a sequence that cannot become valid any more is
/// U+FFFD. Control tokens print nothing.
///
///   TextStream stream(tokenizer, false);
///   for (...) { auto text = stream.add(id); if (!text) return text.error(); write(*text); }
///   write(stream.flush());
///
/// Cost     add() and flush() make no allocation (but for an error's message).
class TextStream {
public:
  /// `begins`: the ids begin a text, so the blank that SentencePiece put before its first word is taken away. false for
  /// ids that go on after a prompt that is not printed.
  TextStream(const Tokenizer& tokenizer, bool begins);

  /// What can be printed now: whole characters, possibly none. Valid until the next call.
  /// Errors   BadInput naming an id outside the vocabulary and its size.
  Result<std::string_view> add(int32_t id);

  /// What is left: U+FFFD for an unfinished sequence. The stream begins anew, not at a text's beginning.
  std::string_view flush();

private:
  void take(unsigned char byte);

  Tokenizer tokenizer_;
  bool atStart_;
  std::string held_;  ///< an unfinished sequence, at most 3 bytes
  std::string out_;
};

}  // namespace quern
