// tuner/records/Journal.cpp — see Journal.h.
#include "tuner/records/Journal.h"

#include "compiler/base/Log.h"
#include "compiler/base/Sha256.h"
#include "compiler/base/Text.h"
#include "compiler/base/TrustedFolder.h"
#include "compiler/store/CacheNames.h"

#include <fmt/format.h>
#include <set>
#include <unistd.h>

namespace quern {

static constexpr std::string_view kSum = " sum=";

/// "turn run=0123 schedule=..." -> "0123"
static std::string_view runOf(std::string_view line) {
  constexpr std::string_view kKey = " run=";
  size_t at = line.find(kKey);
  if (at == std::string_view::npos) return {};
  line.remove_prefix(at + kKey.size());
  return line.substr(0, line.find(' '));
}

Result<Journal> Journal::open(const std::string& directory) {
  Journal journal;
  journal.directory_ = directory;
  if (directory.empty()) return journal;
  auto folder = TrustedFolder::open(directory);
  if (!folder) return folder.error();
  if (!*folder) return journal;
  auto bytes = (*folder)->read(kJournalFile, kMostJournalBytes);
  if (!bytes) return bytes.error();
  if (!*bytes) return journal;
  size_t bad = 0;
  for (const std::string& line : split(**bytes, '\n')) {
    if (line.empty()) continue;
    size_t at = line.rfind(kSum);
    auto whole = at == std::string::npos ? Result<std::string>(std::string()) : withChecksum(line.substr(0, at));
    if (!whole) return whole.error();
    if (*whole == line) journal.text_.push_back(line.substr(0, at));
    else ++bad;
  }
  if (bad > 0)
    logWarning(fmt::format("{}/{}: {} of {} not used: torn or damaged", escaped(directory), kJournalFile, bad,
                           counted(journal.text_.size() + bad, "line")));
  return journal;
}

std::vector<JournalLine> Journal::lines(const std::function<bool(const TuneQuestion&)>& wanted) const {
  std::set<std::string, std::less<>> runs;
  std::vector<JournalLine> found;
  for (const std::string& text : text_) {
    bool opens = text.starts_with("run ");
    if (!opens && !runs.contains(runOf(text))) continue;
    auto line = parseJournalLine(text);
    if (!line) continue;  // of a newer program
    if (opens && !wanted(line->question)) continue;
    if (opens) runs.insert(line->run);
    found.push_back(std::move(*line));
  }
  return found;
}

Result<void> Journal::add(const std::vector<JournalLine>& lines) {
  if (lines.empty()) return {};
  std::string all;
  for (const JournalLine& line : lines) {
    auto whole = withChecksum(text(line));
    if (!whole) return whole.error();
    all += (all.empty() ? "" : "\n") + *whole;
  }
  if (!directory_.empty()) {
    auto folder = TrustedFolder::make(directory_);
    if (!folder) return folder.error();
    if (auto good = folder->append(kJournalFile, all); !good) return good;
  }
  for (const JournalLine& line : lines) text_.push_back(text(line));
  return {};
}

bool lasting(const std::string& outcome) {
  if (outcome.starts_with("failed: crashed: SIGXCPU")) return false;  // it took too long
  for (std::string_view opening : {"not compiled", "wrong", "failed: crashed"})
    if (outcome.starts_with(opening)) return true;
  return false;
}

RunLog::RunLog(Journal& journal, const TuneQuestion& question) : journal_(journal), question_(asWritten(question)) {
  auto same = [&](const TuneQuestion& q) { return q.op == question_.op && q.cpu == question_.cpu && q.generator == question_.generator; };
  std::vector<JournalLine> lines = journal.lines(same);
  for (const JournalLine& line : lines) {
    if (line.kind == JournalLine::Kind::Run && line.question == question_) id_ = line.run, begun_ = true;
    if (line.kind == JournalLine::Kind::End && line.run == id_) id_.clear(), begun_ = false;
  }
  for (JournalLine& line : lines) {
    bool own = begun_ && line.run == id_;
    if (line.kind == JournalLine::Kind::Met && (own || lasting(line.outcome))) met_[line.schedule] = line;
    if (own && line.kind == JournalLine::Kind::Again) again_[line.schedule] = line.outcome;
    if (own && line.kind == JournalLine::Kind::Turn) turns_[line.schedule].push_back(std::move(line));
  }
  continues_ = begun_;
  if (begun_) return;
  static int64_t count = 0;
  auto hash = sha256(fmt::format("{} {} {} {}", question.op, timestamp(), ::getpid(), ++count));
  constexpr size_t kLetters = 12;
  id_ = hash ? hash->substr(0, kLetters) : fmt::format("{}-{}", ::getpid(), count);
}

const JournalLine* RunLog::met(const std::string& schedule) const {
  auto found = met_.find(schedule);
  return found == met_.end() ? nullptr : &found->second;
}

std::optional<JournalLine> RunLog::nextTurn(const std::string& schedule, int pairs) {
  auto found = turns_.find(schedule);
  if (found == turns_.end() || found->second.empty()) return std::nullopt;
  JournalLine line = std::move(found->second.front());
  found->second.pop_front();
  if (line.ratios.size() == static_cast<size_t>(pairs)) return line;
  found->second.clear();  // another search wrote them: from here on it is measured
  return std::nullopt;
}

std::optional<std::string> RunLog::again(const std::string& schedule) const {
  auto found = again_.find(schedule);
  return found == again_.end() ? std::nullopt : std::optional(found->second);
}

Result<void> RunLog::add(JournalLine line) {
  std::vector<JournalLine> lines;
  if (!begun_) {
    JournalLine opening;
    opening.kind = JournalLine::Kind::Run;
    opening.run = id_, opening.question = question_, opening.date = timestamp();
    lines.push_back(std::move(opening));
    begun_ = true;
  }
  line.run = id_;
  lines.push_back(std::move(line));
  return journal_.add(lines);
}

Result<void> RunLog::end(JournalLine line) {
  line.kind = JournalLine::Kind::End;
  line.date = timestamp();
  return add(std::move(line));
}

std::optional<std::string> meetingDue(const Journal& journal, const TuningRecord& winner) {
  TuneQuestion about = asWritten({winner.op, "", winner.schedule, winner.cpu, "", winner.effort});
  std::optional<std::string> due;
  std::map<std::string, std::string> searches, meetings;  // by run: where it is timed
  for (const JournalLine& line : journal.lines([&](const TuneQuestion& q) { return q.op == about.op && q.cpu == about.cpu; })) {
    if (line.kind == JournalLine::Kind::Run) {
      if (line.question.effort.ends_with(kConfirmPart)) meetings[line.run] = line.question.at;
      if (line.question.effort == about.effort) searches[line.run] = line.question.at;
    }
    if (line.kind != JournalLine::Kind::Turn && searches.contains(line.run)) due = searches[line.run];  // it begins, it ends
    bool met = line.kind == JournalLine::Kind::End && meetings.contains(line.run) && line.schedule == about.anchor;
    if (met && due == meetings[line.run]) due.reset();
  }
  return due;
}

std::optional<std::string> tunedAt(const Journal& journal, const TuningRecord& winner) {
  TuneQuestion about = asWritten({winner.op, "", "", winner.cpu, "", ""});
  auto wanted = [&](const TuneQuestion& q) { return q.op == about.op && q.cpu == about.cpu && q.effort.find(' ') == std::string::npos; };
  std::map<std::string, std::string> places;
  std::optional<std::string> newest;
  for (const JournalLine& line : journal.lines(wanted)) {
    if (line.kind == JournalLine::Kind::Run) places[line.run] = line.question.at;
    if (line.kind == JournalLine::Kind::End) newest = places[line.run];
  }
  return newest;
}

}  // namespace quern
