// tests/Folders.cpp — see Folders.h.
#include "tests/Folders.h"

#include <cstdlib>

namespace quern {

std::string testsFile(const std::string& name) { return std::string(QUERN_TESTS) + "/" + name; }

std::string sharedFile(const std::string& name) {
  const char* given = std::getenv("QUERN_SHARED");
  return (given != nullptr ? given : testsFile("../../shared")) + "/" + name;
}

}  // namespace quern
