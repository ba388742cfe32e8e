// tuner/Experience.cpp — see Experience.h.
#include "tuner/Experience.h"

#include "compiler/base/Text.h"
#include "compiler/jit/KernelLibrary.h"
#include "tuner/measure/Spread.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>

namespace quern {

namespace {

double doublings(double value) { return std::log2(std::max(1e-30, value)); }

/// Numbers in doublings; of words, each is a number that is there or not.
std::vector<double> numbersOf(const Schedule& schedule) {
  std::vector<double> numbers;
  for (const ScheduleKeyInfo& key : keysOf(schedule)) {
    constexpr double kWord = 1.5;
    if (key.words.empty()) numbers.push_back(doublings(1 + parseDouble(key.value).value_or(0)));
    for (const std::string& word : key.words) numbers.push_back(word == key.value ? kWord : 0);
  }
  return numbers;
}

/// Parts of a cost, each in doublings or in shares that weigh like some.
void addCost(std::vector<double>& numbers, const ScheduleCost& cost, const ScheduleCost& base) {
  constexpr double kShare = 4;  // all of it or nothing: four doublings
  double total = std::max(1e-30, cost.cycles);
  numbers.push_back(doublings(cost.slots / std::max(1e-30, base.slots)));
  numbers.push_back(kShare * cost.waste);
  for (size_t level = 0; level < cost.bytes.size(); ++level)
    numbers.push_back(kShare * std::min(1.0, cyclesOf(cost.bytes[level], level) / total));
}

/// Sizes in doublings, and what kind of op it is.
std::vector<double> sizesOf(const FitContext& context) {
  TensorSpec out = outputOf(context.bound);
  auto elements = static_cast<double>(std::max<int64_t>(1, out.elements()));
  double last = out.dims.empty() ? 1 : static_cast<double>(out.dims.back().value);
  size_t weights = 0;
  std::vector<TensorSpec> inputs = inputsOf(context.bound);
  for (const TensorSpec& input : inputs) weights += input.weight;
  return {doublings(elements),
          doublings(minBytesOf(context.bound)),
          doublings(1 + flopsOf(context.bound) / elements),
          doublings(last),
          static_cast<double>(inputs.size()),
          2 * static_cast<double>(weights),
          context.cacheState == CacheState::Hot ? 0.0 : 2.0,
          2 * doublings(context.threads)};
}

/// What a question of the journal was about; nullopt: not to be understood any more.
std::optional<FitContext> contextOf(const TuneQuestion& question, const Target& target) {
  auto op = parseOp(question.op);
  if (!op) return std::nullopt;
  auto base = parseSchedule(question.anchor, *op, target);
  if (!base) return std::nullopt;
  auto item = parseRegime(*op, question.at);
  if (!item) return std::nullopt;
  for (const std::string& name : runtimeDims(*op))
    if (!item->sample.contains(name)) return std::nullopt;
  return FitContext{fixed(*op, item->sample), *base, item->cacheState, item->threads};
}

}  // namespace

FitPoint fitPointOf(const FitContext& context, const Schedule& schedule, const Target& target) {
  ScheduleCost cost = costOf(schedule, context.bound, target), base = costOf(context.base, context.bound, target);
  FitPoint point{sizesOf(context), numbersOf(schedule), std::log(std::max(1e-30, cost.cycles) / std::max(1e-30, base.cycles)),
                 std::hash<std::string>()(text(context.bound))};
  addCost(point.keys, cost, base);
  return point;
}

std::vector<OpExperience> experienceOf(const Journal& journal, const OpDesc& like, const Target& target, const std::string& part,
                                       const std::string& until) {
  std::vector<OpExperience> all;
  std::string cpu = recordValue(tuningCpu(target)),
              generator = recordValue(kernelKey(like, defaultSchedule(like, target), target).generator);
  auto wanted = [&](const TuneQuestion& q) {
    if (q.cpu != cpu || q.generator != generator || q.effort.substr(std::min(q.effort.find(' '), q.effort.size())) != part) return false;
    auto op = parseOp(q.op);
    return op && classOf(*op) == classOf(like);
  };
  struct Run {
    size_t at = 0;
    std::optional<FitContext> context;
    std::map<std::string, std::vector<double>> ratios;
  };
  std::map<std::string, Run> runs;
  for (const JournalLine& line : journal.lines(wanted)) {
    Run& run = runs[line.run];
    if (line.kind == JournalLine::Kind::Run) {
      if (line.run == until) break;
      run.context = contextOf(line.question, target);
      if (!run.context) continue;
      const TuneQuestion& q = line.question;
      auto same = [&](const OpExperience& each) { return each.op == q.op && each.at == q.at; };
      run.at = static_cast<size_t>(std::find_if(all.begin(), all.end(), same) - all.begin());
      OpExperience fresh{q.op, q.at, *run.context, fitPointOf(*run.context, run.context->base, target), {}};
      if (run.at == all.size()) all.push_back(std::move(fresh));
      else all[run.at] = std::move(fresh);
    }
    bool timed = line.kind == JournalLine::Kind::Turn && !line.ratios.empty();
    if (!timed || !run.context || line.schedule == text(run.context->base)) continue;
    auto schedule = parseSchedule(line.schedule, run.context->bound, target);
    if (!schedule) continue;
    std::vector<double>& ratios = run.ratios[line.schedule];
    ratios.insert(ratios.end(), line.ratios.begin(), line.ratios.end());
    auto [known, isNew] = all[run.at].schedules.try_emplace(line.schedule);
    if (isNew) known->second.point = fitPointOf(*run.context, *schedule, target);
    known->second.ratio = spreadOf(ratios), known->second.ratios = ratios.size();
  }
  return all;
}

/// Of the logs of sizes, squared.
static double farFrom(const FitPoint& a, const FitPoint& b) {
  double sum = 0;
  for (size_t i = 0; i < a.op.size(); ++i) sum += (a.op[i] - b.op[i]) * (a.op[i] - b.op[i]);
  return sum;
}

FittedOrder::FittedOrder(FitContext context, std::vector<OpExperience> others, const Target& target)
    : context_(std::move(context)), others_(std::move(others)), target_(target), base_(fitPointOf(context_, context_.base, target)) {
  std::stable_sort(others_.begin(), others_.end(),
                   [&](const OpExperience& a, const OpExperience& b) { return farFrom(base_, a.base) < farFrom(base_, b.base); });
}

std::string FittedOrder::nearestWinner() const {
  constexpr double kNear = 3, kClearly = 0.985;  // two of its sizes twice as large, say
  const std::pair<const std::string, OpExperience::Timed>* best = nullptr;
  if (others_.empty() || farFrom(base_, others_.front().base) > kNear) return "";
  for (const auto& each : others_.front().schedules)
    if (each.second.ratio.high < kClearly && (best == nullptr || each.second.ratio.median < best->second.ratio.median)) best = &each;
  return best == nullptr ? "" : best->first;
}

void FittedOrder::took(const Schedule& schedule, const Spread& ratio, size_t ratios) {
  if (!(ratio.median > 0)) return;
  auto [timed, isNew] = own_.try_emplace(text(schedule));
  if (isNew) order_.push_back(text(schedule)), timed->second.point = fitPointOf(context_, schedule, target_);
  timed->second.ratio = ratio, timed->second.ratios = ratios;
}

CostFit FittedOrder::fit() const {
  CostFit fit;
  fit.learnBase(base_);
  for (const std::string& schedule : order_) {
    const OpExperience::Timed& timed = own_.at(schedule);
    fit.learn(timed.point, timed.ratio, timed.ratios);
  }
  for (const OpExperience& other : others_) {
    fit.learnBase(other.base);
    for (const auto& [schedule, timed] : other.schedules) fit.learn(timed.point, timed.ratio, timed.ratios);
  }
  return fit;
}

std::vector<CostFit::Guess> FittedOrder::guess(const std::vector<Schedule>& schedules) const {
  std::vector<FitPoint> points;
  for (const Schedule& schedule : schedules) points.push_back(fitPointOf(context_, schedule, target_));
  return fit().guess(points);
}

std::vector<CostFit::Guess> FittedOrder::leftOut() const {
  CostFit learnt = fit();
  std::vector<CostFit::Guess> guesses = learnt.leftOut();
  guesses.erase(guesses.begin());  // the base
  guesses.resize(std::min(guesses.size(), order_.size()));
  std::vector<FitPoint> unlearnt;  // too many to learn from: what those that were learnt say of them
  for (size_t i = guesses.size(); i < order_.size(); ++i) unlearnt.push_back(own_.at(order_[i]).point);
  for (const CostFit::Guess& guess : learnt.guess(unlearnt)) guesses.push_back(guess);
  return guesses;
}

void FittedOrder::sort(std::vector<Candidate>& candidates, size_t from) const {
  constexpr double kHope = 0.5;    // deviations that it may be faster than is thought: what is known little of is worth a look
  constexpr double kCrowd = 0.01;  // each of a kind is a hundredth less promising for every one before it: they are alike in what matters
  if (own_.empty() && others_.empty()) return;
  std::vector<Schedule> schedules;
  for (size_t i = from; i < candidates.size(); ++i) schedules.push_back(candidates[i].schedule);
  std::vector<CostFit::Guess> guesses = guess(schedules);
  std::string near = nearestWinner();
  std::vector<std::pair<double, Candidate>> ranked;
  for (size_t i = from; i < candidates.size(); ++i) {
    const CostFit::Guess& guessed = guesses[i - from];
    candidates[i].predicted = guessed.ratio;
    candidates[i].foremost = candidates[i].foremost || text(candidates[i].schedule) == near;
    ranked.emplace_back(std::log(guessed.ratio) - kHope * guessed.doubt, std::move(candidates[i]));
  }
  auto before = [](const auto& a, const auto& b) {
    if (a.second.foremost != b.second.foremost) return a.second.foremost;
    return !a.second.foremost && a.first != b.first ? a.first < b.first : a.second.place < b.second.place;
  };
  std::sort(ranked.begin(), ranked.end(), before);
  std::map<std::string, int> kinds;
  for (auto& [hoped, candidate] : ranked) hoped += kCrowd * kinds[kindOf(candidate.schedule)]++;
  std::sort(ranked.begin(), ranked.end(), before);
  for (size_t i = from; i < candidates.size(); ++i) candidates[i] = std::move(ranked[i - from].second);
}

}  // namespace quern
