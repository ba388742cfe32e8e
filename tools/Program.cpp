// tools/Program.cpp — see Program.h.
#include "tools/Program.h"

#include "compiler/base/Caught.h"

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <new>
#include <string>
#include <sys/resource.h>

namespace quern {

namespace {

std::atomic<bool> memoryRefused{false};
const char* programName = "quern";

[[noreturn]] void onNoMemory() {
  memoryRefused = true;
  throw std::bad_alloc();
}

/// An exception where none can be caught: memory that is not to be had while another failure is dealt with, or in a function of the
/// standard library that promises not to throw (its directory_iterator).
[[noreturn]] void onTerminate() {
  Error error = std::current_exception() ? errorOf(std::current_exception())
                : memoryRefused          ? machineLacks("out of memory")
                                         : internalError("internal error: std::terminate");
  std::fprintf(stderr, "%s: %s\n", programName, error.message.c_str());
  std::_Exit(static_cast<int>(error.code));
}

/// Whether this thread's stack may grow to kRoomyStackBytes: the limit is raised as far as the system lets us.
bool roomy() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_STACK, &limit) != 0 || limit.rlim_cur >= kRoomyStackBytes) return true;
  limit.rlim_cur = std::min<rlim_t>(limit.rlim_max, kRoomyStackBytes);
  return ::setrlimit(RLIMIT_STACK, &limit) == 0 && limit.rlim_cur >= kRoomyStackBytes;
}

}  // namespace

int runProgram(const char* name, std::function<Result<int>()> body) {
  programName = name;
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
  std::signal(SIGCHLD, SIG_DFL);  // a parent that ignores its children hands that on: how ours ended would not be known
  std::set_terminate(onTerminate);
  std::set_new_handler(onNoMemory);
  Result<int> status = caught(body, !roomy());
  if (status) return *status;
  std::fprintf(stderr, "%s: %s\n", name, status.error().message.c_str());
  auto code = status.error().code;
  // Without memory, or after LLVM gave up, the destructors of statics may meet what never was built (seen: lld's).
  if (code == ErrorCode::Machine || code == ErrorCode::Internal) {
    std::fflush(nullptr);
    std::_Exit(static_cast<int>(code));
  }
  return static_cast<int>(code == ErrorCode::Infeasible ? ErrorCode::BadCommand : code);
}

}  // namespace quern
