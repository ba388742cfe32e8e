// tests/Support.h — what several test programs share.
#pragma once

#include "compiler/jit/KernelLibrary.h"
#include "compiler/target/HostTarget.h"
#include "tests/Folders.h"

#include <catch2/catch.hpp>

#include <cstdlib>
#include <string>
#include <vector>

namespace quern {

inline OpDesc op(const std::string& given) {
  auto parsed = parseOp(given);
  INFO(given << ": " << (parsed ? "" : parsed.error().message));
  REQUIRE(parsed);
  return *parsed;
}

inline Target cpu(const std::string& name) {
  auto found = findTarget(name);
  REQUIRE(found);
  return *found;
}

inline Schedule schedule(const std::string& given, const OpDesc& desc, const Target& target) {
  auto parsed = parseSchedule(given, desc, target);
  INFO(given << ": " << (parsed ? "" : parsed.error().message));
  REQUIRE(parsed);
  return *parsed;
}

/// A temporary folder that goes with its files.
struct Folder {
  std::string path = "/tmp/quern-test-XXXXXX";
  Folder() { REQUIRE(::mkdtemp(path.data()) != nullptr); }
  ~Folder() { (void)std::system(("rm -rf '" + path + "'").c_str()); }
};

/// The ISA levels that this machine can run, narrowest first: x86-64, x86-64-v3, x86-64-v4.
inline std::vector<Target> runnableLevels() { return levelsWithin(hostTarget()); }

}  // namespace quern
