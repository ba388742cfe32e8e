// tests/unit/LogTest.cpp — what the library says goes to the sink that the program sets, and nowhere else.
#include "compiler/base/Log.h"
#include "compiler/store/KernelCache.h"
#include "tests/Support.h"

#include <cstdio>
#include <fcntl.h>
#include <fstream>
#include <functional>
#include <sstream>
#include <sys/stat.h>
#include <unistd.h>

namespace quern {

namespace {

std::vector<std::string> lines;

void keep(std::string_view kind, std::string_view message) { lines.push_back(std::string(kind) + ": " + std::string(message)); }

/// What `act` writes to file descriptors 1 and 2.
std::string printedBy(const std::function<void()>& act) {
  Folder folder;
  std::string path = folder.path + "/out";
  std::fflush(nullptr);
  int out = ::dup(1), err = ::dup(2), file = ::open(path.c_str(), O_CREAT | O_RDWR, 0600);
  ::dup2(file, 1);
  ::dup2(file, 2);
  act();
  std::fflush(nullptr);
  ::dup2(out, 1);
  ::dup2(err, 2);
  for (int each : {out, err, file}) ::close(each);
  std::stringstream all;
  all << std::ifstream(path).rdbuf();
  return all.str();
}

}  // namespace

TEST_CASE("warnings and the topics that are on go to the sink") {
  lines.clear();
  setLogSink(keep);
  CHECK_FALSE(logEnabled(LogTopic::Perf));
  logLine(LogTopic::Perf, "not asked for");
  logWarning("mind the gap");
  REQUIRE(enableLogTopics("cache,tune"));
  logLine(LogTopic::Cache, "hit");
  setLogSink(nullptr);
  CHECK_FALSE(logEnabled(LogTopic::Cache));
  logWarning("nobody listens");
  CHECK(lines == std::vector<std::string>{"warning: mind the gap", "cache: hit"});
  auto unknown = enableLogTopics("cache,weather");
  REQUIRE_FALSE(unknown);
  CHECK(unknown.error().message == "unknown topic 'weather'; topics: dispatch, cache, tune, perf");
}

TEST_CASE("a library without a sink prints nothing, whatever it warns of") {
  Folder folder;
  std::string shared = folder.path + "/cache";
  auto warn = [&] {
    logWarning("a warning");
    KernelLibrary library(hostTarget(), {shared});
    REQUIRE(library.get(op("softmax m=4 n=5")));
  };
  REQUIRE(::mkdir(shared.c_str(), 0777) == 0);
  REQUIRE(::chmod(shared.c_str(), 0777) == 0);  // others can write here: refused, with a warning
  CHECK(printedBy(warn).empty());
  lines.clear();
  setLogSink(keep);
  warn();
  setLogSink(nullptr);
  CHECK(lines.size() >= 2);
}

}  // namespace quern
