// tools/quern/cli/Words.cpp — see Words.h.
#include "tools/quern/cli/Words.h"

#include "compiler/base/Files.h"
#include "compiler/base/Log.h"
#include "compiler/base/Text.h"
#include "compiler/target/HostMemory.h"
#include "compiler/target/HostTarget.h"

#include <fmt/format.h>

namespace quern {

Result<bool> ready(CommandLine& line) {
  if (auto good = line.parse(); !good) return good.error();
  if (line.helpAsked()) {
    if (auto good = writeResult(line.help()); !good) return good.error();
    return false;
  }
  if (line.has("log"))
    if (auto good = setLogTopics(line.get("log")); !good) return badCommand(fmt::format("--log: {}", good.error().message));
  return true;
}

/// FILE.toml#ID, or FILE.toml with a single op.
static Result<OpEntry> opFromFile(const std::string& word) {
  size_t hash = word.rfind('#');
  std::string id = hash == std::string::npos ? "" : word.substr(hash + 1);
  std::string name = word.substr(0, hash);
  auto path = findConfig("suites", name);
  if (!path) return path.error();
  auto file = readOpFile(*path);
  if (!file) return file.error();
  std::vector<std::string> ids;
  for (OpEntry& entry : file->entries) {
    if (entry.id == id || (id.empty() && file->entries.size() == 1)) return std::move(entry);
    ids.push_back(entry.id);
  }
  if (id.empty())
    return badCommand(fmt::format("{} has {} ops: say which, as {}#ID; ids: {}", escaped(name), ids.size(), escaped(name), join(ids, " ")));
  return badCommand(fmt::format("{}: no op '{}'{}; ids: {}", escaped(name), escaped(id), didYouMean(id, ids), join(ids, " ")));
}

Result<OpEntry> opFromWords(const std::vector<std::string>& words, std::span<const std::vector<int64_t>> shapes,
                            std::span<const ElementType> types) {
  if (words.size() == 1 && (words[0].ends_with(".toml") || words[0].find(".toml#") != std::string::npos)) return opFromFile(words[0]);
  std::string all = join(words, " ");
  if (words.size() > 1) {  // words of their own: a value with blanks lost its quotes to the shell
    all = words[0];
    for (size_t i = 1; i < words.size(); ++i) {
      size_t equals = words[i].find('=');
      bool blanks =
          words[i].find(' ') != std::string::npos && equals != std::string::npos && words[i].find_first_of("'\"") == std::string::npos;
      all += " " + (blanks ? words[i].substr(0, equals + 1) + "\"" + words[i].substr(equals + 1) + "\"" : words[i]);
    }
  }
  auto op = shapes.empty() ? parseOp(all) : parseOpFor(all, shapes, types);
  if (!op) return op.error();
  return OpEntry{"", std::move(*op), "", "", ""};
}

Result<OpFile> readSuite(const std::string& nameOrPath) {
  auto path = findConfig("suites", nameOrPath);
  if (!path) return path.error();
  return readOpFile(*path);
}

Result<Target> targetOf(const CommandLine& line, bool mustRun) {
  return mustRun ? findRunnableTarget(line.get("cpu")) : findTarget(line.get("cpu"));
}

Result<void> checkMemory(const OpDesc& op, double copies) {
  double needed = minBytesOf(op) * copies;
  auto there = static_cast<double>(hostMemory().mostBytes);
  if (needed <= there) return {};
  return machineLacks(fmt::format("{}: needs about {} with its copies, there is {}", text(op), humanBytes(needed), humanBytes(there)));
}

}  // namespace quern
