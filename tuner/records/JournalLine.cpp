// tuner/records/JournalLine.cpp — see JournalLine.h.
#include "tuner/records/JournalLine.h"

#include "compiler/base/Keys.h"
#include "compiler/base/Text.h"
#include "compiler/store/TuningRecord.h"

#include <array>
#include <cmath>
#include <fmt/format.h>

namespace quern {

static constexpr std::array<std::string_view, 5> kKinds = {"run", "met", "turn", "again", "end"};

static std::string digits(double ratio) { return fmt::format("{:.5g}", ratio); }

double rounded(double ratio) { return parseDouble(digits(ratio)).value_or(ratio); }

TuneQuestion asWritten(TuneQuestion question) {
  for (std::string* each : {&question.op, &question.at, &question.anchor, &question.cpu, &question.generator, &question.effort})
    *each = recordValue(*each);
  return question;
}

std::string text(const JournalLine& l) {
  std::string out = fmt::format("{} run={}", kKinds[static_cast<size_t>(l.kind)], l.run);
  auto value = [&](const char* key, const std::string& given) { out += fmt::format(" {}=\"{}\"", key, recordValue(given)); };
  auto number = [&](const char* key, double given) { out += fmt::format(" {}={}", key, digits(given)); };
  if (l.kind == JournalLine::Kind::Run) {
    const TuneQuestion& q = l.question;
    for (auto [key, given] : {std::pair("op", &q.op),
                              {"at", &q.at},
                              {"anchor", &q.anchor},
                              {"cpu", &q.cpu},
                              {"generator", &q.generator},
                              {"effort", &q.effort},
                              {"date", &l.date}})
      value(key, *given);
    return out;
  }
  value("schedule", l.schedule);
  if (l.kind == JournalLine::Kind::Met) number("predicted", l.predicted), value("object", l.object);
  if (l.kind == JournalLine::Kind::End) number("ratio", l.ratio), number("low", l.low), number("high", l.high), value("date", l.date);
  if (l.kind == JournalLine::Kind::End || l.kind == JournalLine::Kind::Turn) number("ns", l.ns);
  if (l.kind == JournalLine::Kind::Turn) {
    std::string ratios;
    for (double ratio : l.ratios) ratios += (ratios.empty() ? "" : ",") + digits(ratio);
    value("ratios", ratios);
  } else if (!l.outcome.empty()) {
    value("outcome", l.outcome);
  }
  return out;
}

Result<JournalLine> parseJournalLine(std::string_view line) {
  auto keys = parseKeyValues(line, "journal", true);
  if (!keys) return keys.error();
  KeyReader reader(*keys, "journal");
  JournalLine l;
  size_t kind = 0;
  while (kind < kKinds.size() && kKinds[kind] != keys->head) ++kind;
  if (kind == kKinds.size()) return badInput("journal: unknown kind of line");
  l.kind = static_cast<JournalLine::Kind>(kind);
  l.run = reader.takeOr("run", "");
  if (l.run.empty()) reader.fail("run is missing");
  auto measured = [&](const char* key) {
    double value = reader.takeDouble(key, 0);
    if (!std::isfinite(value) || value < 0) reader.fail(fmt::format("{}={} is no measurement", key, value));
    return value;
  };
  for (auto [key, to] : {std::pair("schedule", &l.schedule),
                         {"outcome", &l.outcome},
                         {"object", &l.object},
                         {"date", &l.date},
                         {"op", &l.question.op},
                         {"at", &l.question.at},
                         {"anchor", &l.question.anchor},
                         {"cpu", &l.question.cpu},
                         {"generator", &l.question.generator},
                         {"effort", &l.question.effort}})
    *to = reader.takeOr(key, "");
  for (auto [key, to] : {std::pair("predicted", &l.predicted), {"ns", &l.ns}, {"ratio", &l.ratio}, {"low", &l.low}, {"high", &l.high}})
    *to = measured(key);
  for (const std::string& word : split(reader.takeOr("ratios", ""), ',')) {
    if (word.empty()) continue;
    auto ratio = parseDouble(word);
    if (!ratio || !std::isfinite(*ratio) || *ratio <= 0) reader.fail("ratios: not a list of measurements");
    else l.ratios.push_back(*ratio);
  }
  if (l.kind == JournalLine::Kind::Run ? l.question.op.empty() : l.schedule.empty()) reader.fail("a torn line");
  if (auto good = reader.finish(); !good) return good.error();
  return l;
}

}  // namespace quern
