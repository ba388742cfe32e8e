// tools/api/Models.h — what quern_model, quern_session and quern_generation stand for.
#pragma once

#include "models/Generator.h"
#include "models/ModelText.h"
#include "models/chat/ChatTemplate.h"
#include "models/tokenizer/TextStream.h"
#include "tools/api/Answer.h"
#include "tools/api/Context.h"

#include <atomic>

namespace quern::api {

/// Threads  any, at once.
struct OpenModel {
  static constexpr uint64_t kKind = 4;
  static constexpr const char* kName = "model";

  std::shared_ptr<Context> context;  ///< its kernels' code
  std::shared_ptr<const Model> model;
  std::optional<ModelText> words;
  std::string architecture, arithmetic;
};

/// One sequence. Whoever calls has set `busy`: a flag, not a mutex, for a callback of the call may ask again from the same thread.
struct OpenSession {
  static constexpr uint64_t kKind = 5;
  static constexpr const char* kName = "session";

  std::shared_ptr<OpenModel> model;
  std::unique_ptr<Session> session;
  std::atomic<int64_t> position{0};
  std::atomic<bool> generating{false};  ///< a generation has it
  uint32_t madeIn = forks();
  std::atomic<bool> busy{false};
};

/// A text being made; has its session to itself.
struct Generation {
  static constexpr uint64_t kKind = 6;
  static constexpr const char* kName = "generation";

  explicit Generation(std::shared_ptr<OpenSession> of) : session(std::move(of)) { session->generating = true; }
  ~Generation() { session->generating = false; }
  std::shared_ptr<OpenSession> session;
  std::vector<int32_t> prompt;  ///< until it went through
  int64_t promptIds = 0;
  quern_generate_options options{};
  std::optional<Generator> generator;
  std::optional<TextStream> stream;
  bool ended = false;
};

/// A session that nobody else calls now, and that no generation has, for as long as this is there.
class Held {
public:
  /// Errors   BadCommand: freed, in use, in a child of the process that made it.
  static Result<Held> of(quern_session handle);
  OpenSession& operator*() const { return *session_; }
  OpenSession* operator->() const { return session_.get(); }
  const std::shared_ptr<OpenSession>& shared() const { return session_; }

  /// Whether or not a generation has it.
  static Result<Held> of(std::shared_ptr<OpenSession> session);

private:
  struct Release {
    void operator()(OpenSession* session) const { session->busy.store(false, std::memory_order_release); }
  };
  explicit Held(std::shared_ptr<OpenSession> session) : session_(std::move(session)), use_(session_.get()) {}
  std::shared_ptr<OpenSession> session_;
  std::unique_ptr<OpenSession, Release> use_;  // goes before the session does
};

/// Errors   BadCommand as quern_generate_options says; as Generator::make.
Result<std::shared_ptr<Generation>> startGeneration(const Held& session, std::span<const int32_t> prompt,
                                                    const quern_generate_options* given);
/// The next id with its text; -1 at the end. Whoever calls holds the session. Errors: as Generator::prompt and next; Stopped.
struct Said {
  int32_t id = -1;
  std::string_view text;
};
Result<Said> nextOf(Generation& generation);

}  // namespace quern::api
