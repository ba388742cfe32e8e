// compiler/store/RecordLines.h — the lines of one records.txt, found by their op; a line is parsed when somebody asks about its op.
#pragma once

#include "compiler/base/TrustedFolder.h"
#include "compiler/store/TuningRecord.h"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace quern {

/// Cost  a million lines of 260 bytes are indexed in about 0.1 s, into 24 MB; the text stays in the file.
class RecordLines {
public:
  /// nullopt: there is none. Errors: BadInput, as TrustedFolder::read.
  static Result<std::optional<RecordLines>> open(const TrustedFolder& folder);

  /// Hands over the records of `op`, newest first, until `wants` has all it needs. `wants` is asked before a line is read.
  using Wants = std::function<bool(TuningRecord::Kind kind)>;
  using Take = std::function<void(TuningRecord record)>;
  void visit(std::string_view op, const Wants& wants, const Take& take) const;

  /// Hands over every good record, oldest first.
  void each(const Take& take) const;

  /// Judges every line: how many are good, how many are not, and why the first one is not.
  struct Health {
    int64_t good = 0, bad = 0;
    std::string firstReason;
  };
  Health health() const;

  size_t size() const { return lines_.size() + static_cast<size_t>(unknown_); }
  const std::string& path() const { return path_; }

private:
  struct Line {
    uint64_t offset;
    uint32_t length, next;  ///< next older line whose op has the same hash; kNone: no more
    uint32_t hash;
    TuningRecord::Kind kind;
  };
  static constexpr uint32_t kNone = UINT32_MAX;

  Result<void> index();
  void add(std::string_view line, uint64_t offset);
  void chain();
  std::string textOf(const Line& line) const;

  std::shared_ptr<Descriptor> file_;  ///< positions are given with each read
  std::string path_;
  std::vector<Line> lines_;
  std::vector<uint32_t> newest_;  ///< by hash
  int64_t unknown_ = 0;           ///< lines that name no op: torn, or not ours
};

}  // namespace quern
