// tuner/Transfer.cpp — see Transfer.h.
#include "tuner/Transfer.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>

namespace quern {

double distanceOf(const OpDesc& a, const OpDesc& b) {
  constexpr double kNever = std::numeric_limits<double>::infinity();
  if (classOf(a) != classOf(b) || nameOf(a) != nameOf(b)) return kNever;
  std::vector<TensorSpec> of = inputsOf(a), other = inputsOf(b);
  if (of.size() != other.size()) return kNever;
  double sum = 0;
  for (size_t i = 0; i < of.size(); ++i) {
    if (of[i].type != other[i].type || of[i].dims.size() != other[i].dims.size() || of[i].weight != other[i].weight) return kNever;
    for (size_t d = 0; d < of[i].dims.size(); ++d) {
      const TensorDim &x = of[i].dims[d], &y = other[i].dims[d];
      if (x.any() != y.any()) return kNever;
      if (x.any()) continue;
      sum += std::abs(std::log(static_cast<double>(std::max<int64_t>(1, x.value)) / static_cast<double>(std::max<int64_t>(1, y.value))));
    }
  }
  return sum;
}

std::vector<Schedule> foundElsewhere(KernelLibrary& library, const Journal& journal, const OpDesc& op, const std::string& until) {
  constexpr size_t kMost = 4;
  std::vector<std::pair<double, std::string>> found;  // the nearest first
  for (const TuningRecord& record : library.tuning().elsewhere(op, library.target())) found.emplace_back(0, record.schedule);
  std::string cpu = tuningCpu(library.target());
  std::map<std::string, double> distances;  // by run: one that was gone on with ends behind others that began later
  std::string own = recordValue(text(op));
  auto wanted = [&](const TuneQuestion& q) { return q.cpu == cpu && q.effort.find(' ') == std::string::npos; };
  for (const JournalLine& line : journal.lines(wanted)) {
    if (line.kind == JournalLine::Kind::Run) {
      if (line.run == until) break;
      double& distance = distances[line.run] = std::numeric_limits<double>::infinity();
      if (line.question.op == own) continue;
      if (auto other = parseOp(line.question.op)) distance = distanceOf(op, *other);
    } else if (line.kind == JournalLine::Kind::End && std::isfinite(distances[line.run])) {
      found.emplace_back(1 + distances[line.run], line.schedule);
    }
  }
  std::stable_sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<Schedule> schedules;
  Schedule base = defaultSchedule(op, library.target());
  std::set<std::string> seen = {text(base)};
  for (const auto& [far, given] : found) {
    auto schedule = parseSchedule(given, op, library.target());
    if (!schedule || orderOf(*schedule) != orderOf(base) || !seen.insert(text(*schedule)).second) continue;
    schedules.push_back(*schedule);
    if (schedules.size() == kMost) break;
  }
  return schedules;
}

}  // namespace quern
