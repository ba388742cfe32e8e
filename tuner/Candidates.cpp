// tuner/Candidates.cpp — a space's combinations for one op, made one at a time: few enough are all seen, of more a fixed sample.
#include "tuner/SearchSpace.h"

#include <algorithm>
#include <boost/multiprecision/cpp_int.hpp>
#include <cctype>
#include <random>

namespace quern {

std::string ruleOf(const std::string& message) {
  std::string rule;
  for (char c : message.substr(0, message.find(';'))) {
    bool digit = std::isdigit(static_cast<unsigned char>(c)) != 0;
    if (!digit) rule += c;
    else if (rule.empty() || rule.back() != 'N') rule += 'N';
  }
  return rule;
}

namespace {

/// At most so many combinations are looked at: half a second.
constexpr size_t kMostCombinations = size_t{1} << 15;

const KeyChoices* choicesOf(const std::map<std::string, KeyChoices>& families, const OpDesc& op) {
  auto family = families.find(std::string(familyName(classOf(op))));
  return family == families.end() ? nullptr : &family->second;
}

using Count = boost::multiprecision::cpp_int;

Count productOf(const KeyChoices& choices, size_t from = 0) {
  Count product = 1;
  for (size_t i = from; i < choices.size(); ++i) product *= choices[i].second.size();
  return product;
}

/// The combinations of some keys' values over a base. A key none of whose values may become legal keeps the base's, and counts as one.
class Combinations {
public:
  using Visit = std::function<void(Schedule&)>;

  Combinations(const Schedule& base, const KeyChoices& choices, const OpDesc& op, const Target& target, const Stop& stop)
      : base_(base), choices_(choices), op_(op), target_(target), stop_(stop) {
    for (const auto& choice : choices) given_.push_back(choice.first);
  }

  void each(const Visit& visit) {
    std::vector<Schedule> all;
    if (descend(base_, 0, all)) {
      for (Schedule& schedule : all) give(schedule, visit);
      return;
    }
    pruned_.clear();
    std::mt19937_64 random(1);  // the same sample every time
    for (size_t i = 0; i < kMostCombinations && !stopped(); ++i) {
      Schedule schedule = drawn(random);
      give(schedule, visit);
    }
  }
  /// Of those that were not visited: how many each key ruled out, whatever the later keys are.
  const std::map<std::string, int64_t>& pruned() const { return pruned_; }
  size_t visited() const { return visited_; }

private:
  bool set(Schedule& schedule, const std::string& key, const std::string& value) const {
    return setKey(schedule, key, value) && mayBecomeLegal(schedule, key, target_);
  }
  bool stopped() { return stopped_ = stopped_ || (asked_++ % 256 == 0 && stop_.asked()); }
  void give(Schedule& schedule, const Visit& visit) {
    if (stopped()) return;
    ++visited_;
    complete(schedule, given_);
    visit(schedule);
  }

  /// Everything below `schedule` with the keys before `depth` set; false once it is too much.
  bool descend(const Schedule& schedule, size_t depth, std::vector<Schedule>& all) {
    if (all.size() >= kMostCombinations || ++nodes_ > 4 * kMostCombinations) return false;
    if (stopped()) return true;
    if (depth == choices_.size()) return all.push_back(schedule), true;
    const auto& [key, values] = choices_[depth];
    size_t out = 0;
    for (const std::string& value : values) {
      Schedule next = schedule;
      if (!set(next, key, value)) ++out;
      else if (!descend(next, depth + 1, all)) return false;
    }
    bool none = out == values.size();
    if (out > 0)
      pruned_[key + ": no legal schedule, whatever the other keys are"] +=
          static_cast<int64_t>(Count(out - none) * productOf(choices_, depth + 1));
    return !none || descend(schedule, depth + 1, all);
  }

  Schedule drawn(std::mt19937_64& random) const {
    constexpr int kTries = 16;
    Schedule schedule = base_;
    for (const auto& [key, values] : choices_)
      for (int i = 0; i < kTries; ++i) {
        Schedule next = schedule;
        if (!set(next, key, values[random() % values.size()])) continue;
        schedule = next;
        break;
      }
    return schedule;
  }

  const Schedule& base_;
  const KeyChoices& choices_;
  const OpDesc& op_;
  const Target& target_;
  const Stop& stop_;
  std::vector<std::string> given_;
  std::map<std::string, int64_t> pruned_;
  size_t nodes_ = 0, asked_ = 0, visited_ = 0;
  bool stopped_ = false;  ///< once asked to, for good
};

/// Legal schedules, each once, with their predicted cost.
class CandidateList {
public:
  CandidateList(const OpDesc& op, const DimValues& sample, const Target& target) : op_(op), bound_(fixed(op, sample)), target_(target) {}

  bool seeFirst(const Schedule& schedule) { return seen_.insert(text(schedule)).second; }
  /// False: it is one that was added before.
  bool add(Schedule schedule) {
    if (!seeFirst(schedule)) return false;
    ScheduleCost cost = costOf(schedule, bound_, target_);
    candidates_.push_back({std::move(schedule), cost, 0, false, 0});
    return true;
  }
  /// Empty: legal, and to be compared with `base`.
  std::string whyNot(const Schedule& schedule, const Schedule& base) const {
    if (auto valid = validate(schedule, op_, target_); !valid) return ruleOf(valid.error().message);
    if (orderOf(schedule) != orderOf(base)) return "another numeric order than the default's";
    return enoughTasks(schedule, base, bound_) ? "" : "too few tasks for several threads";
  }
  const OpDesc& bound() const { return bound_; }
  std::vector<Candidate> inOrder() {
    std::stable_sort(candidates_.begin(), candidates_.end(),
                     [](const Candidate& a, const Candidate& b) { return a.cost.cycles < b.cost.cycles; });
    return std::move(candidates_);
  }
  std::vector<Candidate> asAdded() { return std::move(candidates_); }

private:
  const OpDesc& op_;
  OpDesc bound_;
  const Target& target_;
  std::set<std::string> seen_;
  std::vector<Candidate> candidates_;
};

}  // namespace

std::vector<Candidate> narrowCandidatesOf(const SearchSpace& space, const Schedule& base, const OpDesc& op, const DimValues& sample,
                                          const Target& target, const Stop& stop) {
  CandidateList list(op, sample, target);
  Schedule few = forFewRows(base, op, target);
  auto visit = [&](Schedule& schedule) {
    fitToOp(schedule, list.bound());  // more rows at a time than there are make the same calls as fewer
    if (validate(schedule, op, target) && sharesWeight(schedule, base)) list.add(schedule);
  };
  if (const KeyChoices* choices = choicesOf(space.narrow, op)) Combinations(few, *choices, op, target, stop).each(visit);
  else visit(few);
  return list.inOrder();
}

SpaceAccount accountOf(const SearchSpace& space, const OpDesc& op, const DimValues& sample, const Target& target, const Stop& stop) {
  SpaceAccount account{"1", {}, "0", {}};
  Schedule base = defaultSchedule(op, target);
  CandidateList list(op, sample, target);
  list.seeFirst(base);
  if (const KeyChoices* choices = choicesOf(space.families, op)) {
    Combinations combinations(base, *choices, op, target, stop);
    combinations.each([&](Schedule& schedule) {
      fitToOp(schedule, list.bound());
      std::string why = list.whyNot(schedule, base);
      if (why.empty() && !list.add(schedule)) why = "the same schedule as another combination";
      if (!why.empty()) ++account.pruned[why];
    });
    Count rest = productOf(*choices) - combinations.visited();
    for (const auto& [rule, count] : combinations.pruned()) account.pruned[rule] += count, rest -= count;
    account.combinations = productOf(*choices).str();
    account.neverEnumerated = rest.str();
  }
  // The best of each kind, then the others: what is timed at all differs in what matters.
  std::vector<Candidate> others;
  account.candidates = {{base, costOf(base, list.bound(), target), 0, false, 0}};
  std::set<std::string> kinds;
  for (Candidate& candidate : list.inOrder())
    (kinds.insert(kindOf(candidate.schedule)).second ? account.candidates : others).push_back(std::move(candidate));
  std::move(others.begin(), others.end(), std::back_inserter(account.candidates));
  return account;
}

std::vector<Candidate> candidatesOf(const SearchSpace& space, const OpDesc& op, const DimValues& sample, const Target& target,
                                    const Stop& stop) {
  return accountOf(space, op, sample, target, stop).candidates;
}

std::vector<Candidate> neighboursOf(const SearchSpace& space, const Schedule& best, const OpDesc& op, const DimValues& sample,
                                    const Target& target, const std::set<std::string>& seen, const Stop& stop) {
  CandidateList list(op, sample, target);
  const KeyChoices* choices = choicesOf(space.neighbours, op);
  if (choices == nullptr) return {};
  for (const auto& [key, values] : *choices)
    for (const std::string& value : values) {
      if (stop.asked()) break;
      Schedule next = best;
      setKey(next, key, value);
      complete(next, {key});
      fitToOp(next, list.bound());
      if (list.whyNot(next, best).empty() && seen.count(text(next)) == 0) list.add(std::move(next));
    }
  return list.asAdded();
}

std::vector<std::string> legalValues(const SearchSpace& space, const Schedule& schedule, std::string_view key, const OpDesc& op,
                                     const Target& target) {
  std::vector<std::string> legal;
  const KeyChoices* choices = choicesOf(space.families, op);
  if (choices == nullptr) return legal;
  for (const auto& [name, values] : *choices) {
    if (name != key) continue;
    for (const std::string& value : values) {
      Schedule next = schedule;
      setKey(next, key, value);
      if (validate(next, op, target)) legal.push_back(value);
    }
  }
  return legal;
}

SpaceSize sizeOf(const SearchSpace& space, const OpDesc& op) {
  const KeyChoices* choices = choicesOf(space.families, op);
  Count product = choices == nullptr ? Count(1) : productOf(*choices);
  return {product.str(), kMostCombinations, product <= kMostCombinations};
}

std::string whyNoneIsLegal(const SearchSpace& space, const OpDesc& op, const Target& target) {
  Schedule schedule = defaultSchedule(op, target);
  const KeyChoices* choices = choicesOf(space.families, op);
  if (choices == nullptr) return "";
  std::vector<std::string> given;
  for (const auto& [key, values] : *choices) {
    setKey(schedule, key, values.front());
    given.push_back(key);
  }
  complete(schedule, given);
  auto legal = validate(schedule, op, target);
  return legal ? "" : legal.error().message;
}

}  // namespace quern
