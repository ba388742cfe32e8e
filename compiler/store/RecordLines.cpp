// compiler/store/RecordLines.cpp — see RecordLines.h.
#include "compiler/store/RecordLines.h"

#include "compiler/base/Text.h"
#include "compiler/store/CacheNames.h"

#include <bit>
#include <cerrno>
#include <cstring>
#include <fmt/format.h>
#include <functional>

namespace quern {

static constexpr size_t kChunk = size_t{1} << 20;  ///< read at once
static constexpr size_t kLongestLine = size_t{1} << 16;

Result<std::optional<RecordLines>> RecordLines::open(const TrustedFolder& folder) {
  int64_t bytes = 0;
  auto file = folder.openFile(kRecordFile, bytes);
  if (!file) return file.error();
  if (!*file) return std::optional<RecordLines>();
  RecordLines records;
  records.file_ = std::make_shared<Descriptor>(std::move(**file));
  records.path_ = folder.path() + "/" + kRecordFile;
  if (bytes > kMostRecordBytes)
    return badInput(fmt::format("{}: has {}, at most {} is read", escaped(records.path_), humanBytes(static_cast<double>(bytes)),
                                humanBytes(static_cast<double>(kMostRecordBytes))));
  if (auto good = records.index(); !good) return good.error();
  return std::optional(std::move(records));
}

Result<void> RecordLines::index() {
  std::vector<char> buffer(kChunk + kLongestLine);
  size_t kept = 0;  // an unfinished line, at the buffer's front
  uint64_t at = 0;  // of the buffer's front, in the file
  bool skipping = false;
  while (at + kept < static_cast<uint64_t>(kMostRecordBytes)) {
    ssize_t got = ::pread(file_->get(), buffer.data() + kept, kChunk, static_cast<off_t>(at + kept));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return badInput(fmt::format("{}: {}", escaped(path_), std::strerror(errno)));
    std::string_view text(buffer.data(), kept + static_cast<size_t>(got));
    size_t begin = 0;
    for (size_t end = 0; (end = text.find('\n', begin)) != std::string_view::npos; begin = end + 1) {
      if (!std::exchange(skipping, false)) add(text.substr(begin, end - begin), at + begin);
    }
    if (got == 0) {  // a last line without an end: torn, or whole but for that
      if (!skipping) add(text.substr(begin), at + begin);
      break;
    }
    kept = text.size() - begin;
    if (kept > kLongestLine) {
      if (!std::exchange(skipping, true)) ++unknown_;
      begin = text.size(), kept = 0;
    }
    std::memmove(buffer.data(), buffer.data() + begin, kept);
    at += begin;
  }
  chain();
  return {};
}

static uint32_t hashOf(std::string_view op) { return static_cast<uint32_t>(std::hash<std::string_view>()(op)); }

/// Takes `kind op="..."` off the line's front; what is behind is judged when it is read.
void RecordLines::add(std::string_view line, uint64_t offset) {
  if (line.empty()) return;
  constexpr std::string_view kOp = " op=\"";
  size_t blank = line.find(' ');
  std::string_view head = line.substr(0, blank);
  auto kind = head == "tuned" ? TuningRecord::Kind::Tuned : head == "pin" ? TuningRecord::Kind::Pinned : TuningRecord::Kind::Unpinned;
  bool known = kind != TuningRecord::Kind::Unpinned || head == "unpin";
  std::string_view rest = blank == std::string_view::npos ? std::string_view() : line.substr(blank);
  size_t close = rest.starts_with(kOp) ? rest.find('"', kOp.size()) : std::string_view::npos;
  if (!known || close == std::string_view::npos || lines_.size() == kNone) {
    ++unknown_;
    return;
  }
  std::string_view op = rest.substr(kOp.size(), close - kOp.size());
  lines_.push_back({offset, static_cast<uint32_t>(line.size()), kNone, hashOf(op), kind});
}

void RecordLines::chain() {
  newest_.assign(std::bit_ceil(lines_.size() + 1), kNone);
  for (uint32_t i = 0; i < lines_.size(); ++i) lines_[i].next = std::exchange(newest_[lines_[i].hash & (newest_.size() - 1)], i);
}

std::string RecordLines::textOf(const Line& line) const {
  std::string text(line.length, '\0');
  size_t done = 0;
  while (done < text.size()) {
    ssize_t got = ::pread(file_->get(), text.data() + done, text.size() - done, static_cast<off_t>(line.offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return "";
    done += static_cast<size_t>(got);
  }
  return text;
}

void RecordLines::visit(std::string_view op, const Wants& wants, const Take& take) const {
  uint32_t hash = hashOf(op);
  for (uint32_t i = newest_[hash & (newest_.size() - 1)]; i != kNone; i = lines_[i].next) {
    if (lines_[i].hash != hash || !wants(lines_[i].kind)) continue;
    auto record = parseRecordLine(textOf(lines_[i]));
    if (record && record->op == op) take(std::move(*record));
  }
}

void RecordLines::each(const Take& take) const {
  for (const Line& line : lines_)
    if (auto record = parseRecordLine(textOf(line))) take(std::move(*record));
}

RecordLines::Health RecordLines::health() const {
  Health health;
  health.bad = unknown_;
  if (unknown_ > 0) health.firstReason = "tuning record: names no op: a torn line";
  for (const Line& line : lines_) {
    auto record = parseRecordLine(textOf(line));
    if (record) ++health.good;
    else if (++health.bad == 1) health.firstReason = record.error().message;
  }
  return health;
}

}  // namespace quern
