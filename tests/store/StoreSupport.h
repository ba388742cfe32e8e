// tests/store/StoreSupport.h — kernels to store, and warnings to count.
#pragma once

#include "compiler/base/Log.h"
#include "compiler/store/KernelArtifact.h"
#include "tests/Support.h"

#include <algorithm>

namespace quern {

/// A kernel compiled now.
inline KernelArtifact sampleKernel(const char* given = "add a=*x8 b=8") {
  KernelLibrary library(hostTarget(), {});
  OpDesc desc = op(given);
  auto artifact = library.compile(desc, defaultSchedule(desc, library.target()));
  REQUIRE(artifact);
  return *artifact;
}

inline std::string bytesOf(const KernelArtifact& artifact) {
  auto bytes = serialise(artifact);
  REQUIRE(bytes);
  return *bytes;
}

/// What the library warns of while this lives, one warning a line.
class Warnings {
public:
  Warnings() {
    lines().clear();
    setLogSink([](std::string_view kind, std::string_view message) {
      if (kind == "warning") lines() += std::string(message) + "\n";
    });
  }
  ~Warnings() { setLogSink(nullptr); }
  Warnings(const Warnings&) = delete;
  Warnings& operator=(const Warnings&) = delete;

  const std::string& text() const { return lines(); }
  int64_t count() const { return std::count(lines().begin(), lines().end(), '\n'); }

private:
  static std::string& lines() {
    static std::string kept;
    return kept;
  }
};

/// QUERN_TEST_DEEP=1, as tools/test --deep sets it for these: the long form of a drill.
inline bool deepTest() { return std::getenv("QUERN_TEST_DEEP") != nullptr; }

}  // namespace quern
