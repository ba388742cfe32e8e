// models/Generator.h — a text as a model goes on: its prompt, then one id after the other.
#pragma once

#include "models/Sampler.h"
#include "models/Session.h"

#include <optional>

namespace quern {

struct GeneratorOptions {
  SamplerOptions sampler;
  int64_t count = -1;                      ///< new ids at most; -1: until the text ends or the context is full
  std::function<bool(int32_t id)> endsAt;  ///< whether a text ends with this id, which is not part of it; none: it never does
};

/// Ids from a session. The same session, prompt and seed give the same ids on any number of threads, whatever other sessions do.
/// Ownership  the session is the caller's, and whoever makes a text of it has it alone.
/// Threads    one call at a time.
class Generator {
public:
  /// `drawable`: ids that can come; the rows of a padded table stand for none. Errors: BadInput as Sampler::make.
  static Result<Generator> make(Session& session, int64_t drawable, GeneratorOptions options);

  /// Runs the prompt, from position 0; its first `kept` ids, fewer than all, are in the session's cache already. `goOn`: as
  /// Session::forward. Returns how many ids are through: fewer than there are, and no next().
  /// Errors   BadInput: no ids, more than the context has positions; as Session::forward.
  Result<int64_t> prompt(std::span<const int32_t> ids, const Session::GoOn& goOn = {}, int64_t kept = 0);
  /// The next id; nothing behind the last. Makes no allocation.
  /// Errors   BadInput: logits that are no numbers.
  Result<std::optional<int32_t>> next();

  /// Why there is no next id.
  enum class End : uint8_t { None, Text, Count, Context };
  End ended() const { return ended_; }
  int64_t made() const { return made_; }  ///< new ids so far
  int64_t past() const { return past_; }  ///< positions that are filled

private:
  Generator(Session& session, int64_t drawable, GeneratorOptions options, Sampler sampler);

  Session& session_;
  int64_t drawable_;
  GeneratorOptions options_;
  Sampler sampler_;
  std::vector<float> logits_;
  int64_t past_ = 0, made_ = 0;     ///< positions in the cache
  std::optional<int32_t> waiting_;  ///< the last id, whose logits nobody asked for yet
  End ended_ = End::None;
};

}  // namespace quern
