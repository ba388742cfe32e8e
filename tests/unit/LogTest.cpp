// tests/unit/LogTest.cpp — what the library says goes to the sink that the program sets, and nowhere else.
#include "compiler/base/Log.h"
#include "compiler/store/KernelCache.h"
#include "tests/Support.h"

#include <cstdio>
#include <fcntl.h>
#include <fstream>
#include <sstream>
#include <sys/stat.h>
#include <unistd.h>

namespace quern {

namespace {

std::vector<std::string> lines;

void keep(std::string_view kind, std::string_view message) { lines.push_back(std::string(kind) + ": " + std::string(message)); }

/// While it lives, file descriptors 1 and 2 are a file's.
class Printed {
public:
  Printed() {
    std::fflush(nullptr);
    int file = ::open(path_.c_str(), O_CREAT | O_RDWR, 0600);
    for (int i : {1, 2}) {
      kept_[i - 1] = ::dup(i);
      ::dup2(file, i);
    }
    ::close(file);
  }
  ~Printed() {
    std::fflush(nullptr);
    for (int i : {1, 2}) {
      ::dup2(kept_[i - 1], i);
      ::close(kept_[i - 1]);
    }
  }
  Printed(const Printed&) = delete;
  Printed& operator=(const Printed&) = delete;

  std::string text() const {
    std::fflush(nullptr);
    std::stringstream all;
    all << std::ifstream(path_).rdbuf();
    return all.str();
  }

private:
  Folder folder_;
  std::string path_ = folder_.path + "/out";
  int kept_[2] = {-1, -1};
};

}  // namespace

TEST_CASE("warnings and the topics that are on go to the sink") {
  lines.clear();
  setLogSink(keep);
  CHECK_FALSE(logEnabled(LogTopic::Perf));
  logLine(LogTopic::Perf, "not asked for");
  logWarning("mind the gap");
  REQUIRE(setLogTopics("cache,tune"));
  logLine(LogTopic::Cache, "hit");
  setLogSink(nullptr);
  CHECK_FALSE(logEnabled(LogTopic::Cache));
  logWarning("nobody listens");
  CHECK(lines == std::vector<std::string>{"warning: mind the gap", "cache: hit"});
  auto unknown = setLogTopics("cache,weather");
  REQUIRE_FALSE(unknown);
  CHECK(unknown.error().message == "unknown topic 'weather'; topics: dispatch, cache, tune, perf");
}

TEST_CASE("a library without a sink prints nothing, whatever it warns of") {
  Folder folder;
  std::string shared = folder.path + "/cache";
  auto warn = [&] {
    logWarning("a warning");
    KernelLibrary library(hostTarget(), {shared});
    REQUIRE(library.kernels(op("softmax x=4x5")));
  };
  REQUIRE(::mkdir(shared.c_str(), 0777) == 0);
  REQUIRE(::chmod(shared.c_str(), 0777) == 0);  // others can write here: refused, with a warning
  std::string said;
  {
    Printed printed;
    warn();
    said = printed.text();
  }
  CHECK(said.empty());
  lines.clear();
  setLogSink(keep);
  warn();
  setLogSink(nullptr);
  CHECK(lines.size() >= 2);
}

}  // namespace quern
