// tools/Program.cpp — see Program.h.
#include "tools/Program.h"

#include "compiler/base/Thread.h"

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <new>
#include <stdexcept>
#include <string>
#include <sys/resource.h>
#include <system_error>

namespace quern {

namespace {

constexpr size_t kStackBytes = 8 << 20;  // the usual `ulimit -s`: LLVM's passes and parsers of nested text need hundreds of KiB

/// What an exception is as an error: ours are values, these are the standard library's.
Error errorOf(const std::exception_ptr& thrown) {
  try {
    std::rethrow_exception(thrown);
  } catch (const std::bad_alloc&) {
    return machineLacks("out of memory");
  } catch (const std::length_error&) {
    return machineLacks("out of memory: more bytes than can be counted");
  } catch (const std::system_error& error) {
    return machineLacks(error.what());
  } catch (const std::exception& error) {
    return internalError(std::string("internal error: ") + error.what());
  } catch (...) {
    return internalError("internal error: an exception of an unknown kind");
  }
}

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

Result<int> caught(const std::function<Result<int>()>& body) {
  try {
    return body();
  } catch (...) {
    return errorOf(std::current_exception());
  }
}

/// Whether this thread's stack may grow to kStackBytes: the limit is raised as far as the system lets us.
bool roomy() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_STACK, &limit) != 0 || limit.rlim_cur >= kStackBytes) return true;
  limit.rlim_cur = std::min<rlim_t>(limit.rlim_max, kStackBytes);
  return ::setrlimit(RLIMIT_STACK, &limit) == 0 && limit.rlim_cur >= kStackBytes;
}

Result<int> onOwnStack(const std::function<Result<int>()>& body) {
  Result<int> status = 0;
  auto thread = Thread::start([&] { status = caught(body); }, kStackBytes);
  if (!thread) return machineLacks("the stack is limited to less than 8 MiB (ulimit -s), and " + thread.error().message);
  thread->join();
  return status;
}

}  // namespace

int runProgram(const char* name, std::function<Result<int>()> body) {
  programName = name;
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
  std::signal(SIGCHLD, SIG_DFL);  // a parent that ignores its children hands that on: how ours ended would not be known
  std::set_terminate(onTerminate);
  std::set_new_handler(onNoMemory);
  Result<int> status = roomy() ? caught(body) : onOwnStack(body);
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
