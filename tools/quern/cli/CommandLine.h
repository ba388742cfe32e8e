// tools/quern/cli/CommandLine.h — flags and words of one command. Boost.Program_options stays in CommandLine.cpp.
#pragma once

#include "compiler/base/Result.h"

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace quern {

/// The program that runs: each has its own, beside its commands.
struct ProgramInfo {
  const char* name;
  const char* summary;  ///< what it does, in the overview
  const char* bundle;   ///< what examples of commands that have --bundle say of it; "": nothing
};
const ProgramInfo& programInfo();

/// The flag that has the help of the program, or of a command, as JSON.
inline constexpr std::string_view kHelpJson = "--help=json";

/// One command of the program.
struct CommandInfo {
  std::string_view name;
  std::string_view usage;  ///< behind "PROGRAM NAME "
  std::string_view summary;
  std::string_view examples;  ///< lines "  quern NAME ..."; of another program with its own name
};

/// Declares the flags a command takes, then parses. Flags that are not declared are wrong.
class CommandLine {
public:
  CommandLine(const CommandInfo& info, std::vector<std::string> args) : info_(info), args_(std::move(args)) {}

  /// A flag with a value; `fallback` is what get() gives where it is absent. `shortName` 0: none.
  CommandLine& value(const std::string& name, const std::string& argument, const std::string& fallback, const std::string& help,
                     char shortName = 0);
  /// A flag with a value that may be given again and again: all() has them.
  CommandLine& list(const std::string& name, const std::string& argument, const std::string& help);
  /// A flag without a value.
  CommandLine& toggle(const std::string& name, const std::string& help);
  /// --cpu, --schedule, --cache, --json, --log, --quiet, --threads: those named.
  CommandLine& common(std::initializer_list<std::string_view> names);

  /// Errors   BadCommand naming the flag, with the nearest one.
  Result<void> parse();

  std::string_view name() const { return info_.name; }  ///< the command's
  bool helpAsked() const { return help_; }
  /// What --help prints; with --help=json the same table as JSON, of which man pages and completions are made.
  std::string help() const;
  bool has(const std::string& name) const { return values_.count(name) != 0; }
  std::string get(const std::string& name) const;
  /// Every value of a list(), in the order given.
  std::vector<std::string> all(const std::string& name) const;
  /// Errors   BadCommand where it is not a whole number from low to high.
  Result<int64_t> number(const std::string& name, int64_t low, int64_t high) const;
  const std::vector<std::string>& words() const { return words_; }

private:
  std::string examples() const;
  std::string helpJson() const;
  struct Flag {
    std::string name, argument, fallback, help;
    char shortName = 0;
    bool toggle = false, repeats = false;
  };
  Error unknown(const std::string& flag) const;

  CommandInfo info_;
  std::vector<std::string> args_;
  std::vector<Flag> flags_;
  std::map<std::string, std::vector<std::string>> values_;
  std::vector<std::string> words_;
  bool help_ = false, helpAsJson_ = false;
};

}  // namespace quern
