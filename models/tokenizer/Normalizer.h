// models/tokenizer/Normalizer.h — runs the steps of NormalSteps.h.
#pragma once

#include "models/tokenizer/ByteTrie.h"
#include "models/tokenizer/Charsmap.h"
#include "models/tokenizer/NormalSteps.h"
#include "models/tokenizer/PatternCutter.h"

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace quern {

/// Threads  any number may run it at once.
/// Cost     O(n log n) but for patterns, which have a limit of steps. Bytes that are not UTF-8 stay, but in the steps of SentencePiece and
///          BERT: there each is U+FFFD, which BERT drops.
class Normalizer {
public:
  Normalizer() = default;
  /// Errors   BadInput: a pattern or map that is wrong.
  static Result<Normalizer> make(const std::vector<NormalStep>& steps);

  bool empty() const { return parts_.empty(); }
  /// Errors   BadInput: a pattern takes too long; a text grows beyond kMostBytes.
  Result<std::string> run(std::string_view text) const;

  static constexpr size_t kMostBytes = size_t{256} << 20;

private:
  struct Part {
    NormalStep step;
    std::optional<PatternCutter> pattern;
    Charsmap map;
    ByteTrie kept;
  };
  static Result<std::string> apply(const Part& part, std::string_view text);
  static std::string spacedAndMapped(const Part& part, std::string_view text);

  std::shared_ptr<const std::vector<Part>> steps_;
  std::span<const Part> parts_;
};

}  // namespace quern
