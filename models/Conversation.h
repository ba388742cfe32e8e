// models/Conversation.h — messages said in turn: rendered by a chat template, answered by a session that keeps what it has read.
#pragma once

#include "models/Generator.h"
#include "models/ModelText.h"
#include "models/chat/ChatTemplate.h"

namespace quern {

struct AnswerOptions {
  SamplerOptions sampler;          ///< its seed is that of the first answer, the next has the next
  int64_t count = -1;              ///< new ids at most; -1: until the answer ends or the context is full
  std::vector<std::string> stops;  ///< texts that end an answer and are no part of it
  bool dropOldest = false;         ///< where the context is full: the oldest messages go, the system message stays
};

struct Answer {
  enum class End : uint8_t { Text, Count, Context, Asked };
  End end = End::Text;
  int64_t ids = 0, kept = 0;  ///< of the conversation up to the answer; of those in the cache before
  int64_t made = 0;           ///< new ids
  int64_t dropped = 0;        ///< messages that went
};

/// A conversation with a model. An answer stays the ids that the model made, as long as the template writes it as it was said. The ids that
/// the session's cache holds are compared with those of the conversation: what is the same from the beginning on is not read again,
/// whatever a template changes of earlier turns.
/// Ownership  session and words are the caller's; the session is this one's alone.
/// Threads    one call at a time.
class Conversation {
public:
  /// Errors   BadInput: the model has no tokenizer.
  static Result<Conversation> make(Session& session, const ModelText& words, ChatTemplate chat);

  /// Of what is said from now on; nothing: none, or the template's own.
  /// Errors   BadInput: the template has no place for one.
  Result<void> setSystem(std::optional<std::string> text);
  /// Said so far; the system message first, where there is one.
  const std::vector<ChatMessage>& messages() const { return messages_; }
  const ChatTemplate& chat() const { return chat_; }
  /// Forgets what was said, but not the system message.
  void clear();

  using Show = std::function<Result<void>(std::string_view text)>;
  /// The model's answer to `said`, shown as it comes, whole characters at a time. Once `stop` is asked the answer ends, and is one all the
  /// same; where that is before its beginning, `said` was not said. `progress`: as Session::GoOn, its answer disregarded.
  /// Errors   BadInput: a conversation that leaves no position for an answer, and `said` was not said; logits that are no numbers; what
  ///          rendering, encoding and `show` say.
  Result<Answer> say(const std::string& said, const AnswerOptions& options, const Show& show, const Stop& stop = {},
                     const std::function<void(int64_t done, int64_t all)>& progress = {});

  /// Messages and the session's cache, as saveSession and loadSession. Errors: theirs; BadInput: a note that is not a conversation's.
  Result<void> save(const std::string& path);
  Result<void> load(const std::string& path);

private:
  Conversation(Session& session, const ModelText& words, ChatTemplate chat) : session_(session), words_(words), chat_(std::move(chat)) {}
  const Tokenizer& tokenizer() const { return *words_.tokenizer(); }
  std::optional<int32_t> controlId(const std::string& text) const;
  bool endsAt(int32_t id) const;
  Result<std::vector<int32_t>> idsOf(const ChatText& text) const;
  Result<ChatText> fitting(const AnswerOptions& options, Answer& answer, std::vector<int32_t>& ids);
  Result<std::string> answerOf(Generator& generator, const AnswerOptions& options, const Show& show, const Stop& stop, Answer& answer);

  Session& session_;
  const ModelText& words_;
  ChatTemplate chat_;
  ChatNames names_;
  std::vector<int32_t> ends_;       ///< what the template ends an answer with
  std::vector<std::string> stops_;  ///< the same, where it is no token
  std::optional<int32_t> goesOn_, mark_;
  std::vector<ChatMessage> messages_;
  std::vector<int32_t> cached_;  ///< ids whose keys and values the session holds
  std::string knownText_;        ///< a conversation up to the end of an answer ("": none) ...
  std::vector<int32_t> known_;   ///< ... and its ids, the answer's as they were made
  uint64_t answers_ = 0;
};

}  // namespace quern
