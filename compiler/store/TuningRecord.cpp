// compiler/store/TuningRecord.cpp — see TuningRecord.h.
#include "compiler/store/TuningRecord.h"

#include "compiler/base/Keys.h"
#include "compiler/base/Sha256.h"
#include "compiler/base/Text.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <ctime>
#include <fmt/format.h>

namespace quern {

static constexpr std::string_view kSum = " sum=";
static constexpr size_t kSumChars = 16;

static const std::vector<std::string>& kindNames() {
  static const std::vector<std::string> names = {"tuned", "pin", "unpin"};
  return names;
}

std::string recordValue(std::string_view text) {
  std::string plain = escaped(text);
  std::replace(plain.begin(), plain.end(), '"', '\'');  // values are quoted with "
  return plain;
}

std::string text(const TuningRecord& r) {
  std::string most = r.most.any() ? "" : " " + text(r.most);
  if (r.regret > 0) most += fmt::format(" regret={}", shortest(r.regret));
  std::string confidence = r.lowConfidence ? " confidence=low" : "";
  return fmt::format("{} op=\"{}\"{} cpu=\"{}\" schedule=\"{}\" ratio={} median_ns={} candidates={} effort={}{} date={}",
                     kindNames()[static_cast<size_t>(r.kind)], recordValue(r.op), most, recordValue(r.cpu), recordValue(r.schedule),
                     shortest(r.ratio), shortest(r.medianNs), r.candidates, r.effort.empty() ? "-" : r.effort, confidence, r.date);
}

/// "2026-01-31T12:34:56Z": a date cut short is another text.
static bool isTimestamp(std::string_view date) {
  constexpr std::string_view kForm = "0000-00-00T00:00:00Z";
  if (date.size() != kForm.size()) return false;
  for (size_t i = 0; i < kForm.size(); ++i)
    if (kForm[i] == '0' ? std::isdigit(static_cast<unsigned char>(date[i])) == 0 : date[i] != kForm[i]) return false;
  return true;
}

Result<TuningRecord> parseTuningRecord(std::string_view line) {
  bool clean = std::none_of(line.begin(), line.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; });
  if (!clean) return badCommand("tuning record: control characters");
  auto keys = parseKeyValues(line, "tuning record", true);
  if (!keys) return keys.error();
  KeyReader reader(*keys, "tuning record");
  TuningRecord r;
  size_t kind = 0;
  while (kind < kindNames().size() && kindNames()[kind] != keys->head) ++kind;
  if (kind == kindNames().size()) return badInput("tuning record: unknown kind");
  r.kind = static_cast<TuningRecord::Kind>(kind);
  bool measured = r.kind == TuningRecord::Kind::Tuned;
  auto time = [&](const char* key, double fallback) {
    double value = reader.takeDouble(key, fallback);
    if (!std::isfinite(value) || value < 0 || (measured && value == 0)) reader.fail(fmt::format("{}={} is no measurement", key, value));
    return value;
  };
  r.op = reader.takeOr("op", "");
  r.most = {reader.takeInt("rows", 0, 0, INT64_MAX), reader.takeInt("keys", 0, 0, INT64_MAX)};
  r.regret = reader.takeDouble("regret", 0);
  if (!std::isfinite(r.regret) || r.regret < 0) reader.fail(fmt::format("regret={} is no measurement", r.regret));
  r.cpu = reader.takeOr("cpu", "");
  r.schedule = reader.takeOr("schedule", "");
  r.ratio = time("ratio", 1);
  r.medianNs = time("median_ns", 0);
  r.candidates = reader.takeInt("candidates", 0, 0, INT64_MAX);
  r.effort = reader.takeOr("effort", "-");
  r.lowConfidence = reader.takeChoice("confidence", {"-", "low"}) == 1;
  r.date = reader.takeOr("date", "");
  if (r.op.empty() || r.cpu.empty() || !isTimestamp(r.date)) reader.fail("op, cpu or date is missing: a torn line");
  if (!r.most.any() && !measured) reader.fail("rows= or keys= of what was not tuned");
  if (auto good = reader.finish(); !good) return good.error();
  return r;
}

Result<std::string> withChecksum(const std::string& line) {
  auto hash = sha256(line);
  if (!hash) return hash;
  return line + std::string(kSum) + hash->substr(0, kSumChars);
}

Result<TuningRecord> parseRecordLine(std::string_view line) {
  size_t at = line.rfind(kSum);
  if (at == std::string_view::npos) return parseTuningRecord(line);
  auto whole = withChecksum(std::string(line.substr(0, at)));
  if (!whole) return whole.error();
  if (*whole != line) return badInput("tuning record: its checksum does not match");
  return parseTuningRecord(line.substr(0, at));
}

std::string timestamp() {
  std::time_t now = std::time(nullptr);
  std::tm utc{};
  ::gmtime_r(&now, &utc);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
  return text;
}

std::string tuningCpu(const Target& target) {
  return fmt::format("{} on {}", target.level, target.model.empty() ? target.name : target.model);
}

}  // namespace quern
