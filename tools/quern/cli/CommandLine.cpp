// tools/quern/cli/CommandLine.cpp — see CommandLine.h.
#include "tools/quern/cli/CommandLine.h"

#include "compiler/base/Text.h"

#include <algorithm>
#include <boost/program_options.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace quern {

namespace po = boost::program_options;

CommandLine& CommandLine::value(const std::string& name, const std::string& argument, const std::string& fallback, const std::string& help,
                                char shortName) {
  flags_.push_back({name, argument, fallback, help, shortName, false});
  return *this;
}

CommandLine& CommandLine::list(const std::string& name, const std::string& argument, const std::string& help) {
  flags_.push_back({.name = name, .argument = argument, .help = help, .repeats = true});
  return *this;
}

CommandLine& CommandLine::toggle(const std::string& name, const std::string& help) {
  flags_.push_back({name, "", "", help, 0, true});
  return *this;
}

CommandLine& CommandLine::common(std::initializer_list<std::string_view> names) {
  for (std::string_view name : names) {
    if (name == "cpu")
      value("cpu", "NAME|FILE", "host", "the CPU to compile for: host, a name in configs/cpu, or a TOML file; \"host -gfni\": without");
    if (name == "schedule")
      value("schedule", "TEXT", "", "\"mr=8 nr=48 ...\", default, or tuned (default: pinned, else tuned here, else default)");
    if (name == "cache") value("cache", "DIR[:DIR...]", "", "kernel cache: the first is written, the others only read; none: no cache");
    if (name == "bundle") value("bundle", "DIR", "", "kernels of this bundle (quern emit) before any others");
    if (name == "json") value("json", "FILE", "", "results as JSON; - is stdout");
    if (name == "threads") value("threads", "N", "0", "threads (default: the CPUs this process may use)", 't');
  }
  value("log", "TOPICS", "", "dispatch, cache, tune, perf: what happens, on stderr");
  return toggle("quiet", "no progress and no remarks on stderr");
}

Error CommandLine::unknown(const std::string& flag) const {
  std::vector<std::string> names = {"--help"};
  for (const Flag& known : flags_) names.push_back("--" + known.name);
  return badCommand(
      fmt::format("{}: unknown flag '{}'{}; flags: {}", info_.name, escaped(flag), didYouMean(flag, names), join(names, " ")));
}

Result<void> CommandLine::parse() {
  helpAsJson_ = help_ = std::erase(args_, kHelpJson) > 0;
  po::options_description description;
  description.add_options()("help,h", "");
  for (const Flag& flag : flags_) {
    std::string names = flag.shortName != 0 ? fmt::format("{},{}", flag.name, flag.shortName) : flag.name;
    if (flag.toggle) description.add_options()(names.c_str(), "");
    else description.add_options()(names.c_str(), po::value<std::string>());
  }
  try {
    using namespace po::command_line_style;
    int style =
        allow_long | long_allow_adjacent | long_allow_next | allow_short | short_allow_next | short_allow_adjacent | allow_dash_for_short;
    auto parsed = po::command_line_parser(args_).options(description).style(style).allow_unregistered().run();
    for (const auto& option : parsed.options) {
      if (option.position_key != -1) {
        words_.insert(words_.end(), option.value.begin(), option.value.end());
        continue;
      }
      if (option.unregistered) return unknown(option.original_tokens.front());
      if (option.string_key == "help") {
        help_ = true;
        continue;
      }
      auto flag = std::find_if(flags_.begin(), flags_.end(), [&](const Flag& each) { return each.name == option.string_key; });
      std::vector<std::string>& given = values_[option.string_key];
      if (!given.empty() && !flag->repeats) return badCommand(fmt::format("{}: --{} is given twice", info_.name, option.string_key));
      given.push_back(option.value.empty() ? "1" : option.value.front());
    }
  } catch (const po::error& error) {
    return badCommand(fmt::format("{}: {}", info_.name, error.what()));
  }
  return {};
}

/// Its examples as this program's are typed.
std::string CommandLine::examples() const {
  const std::string written = fmt::format("quern {} ", info_.name);
  bool bundled = std::any_of(flags_.begin(), flags_.end(), [](const Flag& flag) { return flag.name == "bundle"; });
  const std::string typed = fmt::format("{} {}{} ", programInfo().name, info_.name, bundled ? programInfo().bundle : "");
  std::string out(info_.examples);
  for (size_t at = 0; (at = out.find(written, at)) != std::string::npos; at += typed.size()) out.replace(at, written.size(), typed);
  return out;
}

std::string CommandLine::helpJson() const {
  nlohmann::ordered_json flags = nlohmann::ordered_json::array();
  for (const Flag& flag : flags_)
    flags.push_back({{"name", flag.name},
                     {"short", flag.shortName == 0 ? "" : std::string(1, flag.shortName)},
                     {"argument", flag.argument},
                     {"default", flag.fallback},
                     {"help", flag.help}});
  nlohmann::ordered_json out = {
      {"name", info_.name}, {"usage", info_.usage}, {"summary", info_.summary}, {"flags", flags}, {"examples", examples()}};
  return out.dump(2) + "\n";
}

std::string CommandLine::help() const {
  if (helpAsJson_) return helpJson();
  std::string out = fmt::format("{} {} {}\n\n{}\n\n", programInfo().name, info_.name, info_.usage, info_.summary);
  for (const Flag& flag : flags_) {
    std::string left =
        (flag.shortName != 0 ? fmt::format("-{}, ", flag.shortName) : "") + "--" + flag.name + (flag.toggle ? "" : " " + flag.argument);
    bool says = flag.fallback.empty() || flag.help.find("default") != std::string::npos;
    out += fmt::format("  {:<24} {}{}\n", left, flag.help, says ? "" : fmt::format(" (default {})", flag.fallback));
  }
  return out + fmt::format("\nExamples\n{}", examples());
}

std::string CommandLine::get(const std::string& name) const {
  if (auto found = values_.find(name); found != values_.end()) return found->second.front();
  for (const Flag& flag : flags_)
    if (flag.name == name) return flag.fallback;
  return {};
}

std::vector<std::string> CommandLine::all(const std::string& name) const {
  auto found = values_.find(name);
  return found == values_.end() ? std::vector<std::string>() : found->second;
}

Result<int64_t> CommandLine::number(const std::string& name, int64_t low, int64_t high) const {
  auto value = parseInt(get(name));
  if (!value || *value < low || *value > high)
    return badCommand(fmt::format("{}: --{} {} is not a whole number from {} to {}", info_.name, name, escaped(get(name)), low, high));
  return *value;
}

}  // namespace quern
