// tools/api/Answer.cpp — see Answer.h.
#include "tools/api/Answer.h"

#include "compiler/base/Caught.h"
#include "compiler/base/Check.h"

#include <atomic>
#include <fmt/format.h>
#include <pthread.h>
#include <stdexcept>
#include <string>

namespace quern::api {

namespace {

/// Of this thread's last failure. Where there is no memory for a text it is a constant.
struct LastError {
  std::string text;
  const char* shown = "";
};
thread_local LastError lastError;

int statusOf(ErrorCode code) { return code == ErrorCode::Infeasible ? QUERN_BAD_COMMAND : static_cast<int>(code); }

}  // namespace

int failed(const Error& error) noexcept {
  try {
    lastError.text = error.message;
    lastError.shown = lastError.text.c_str();
  } catch (...) {
    lastError.shown = "out of memory";
  }
  return statusOf(error.code);
}

int failed(const std::exception_ptr& thrown) noexcept {
  try {
    return failed(errorOf(thrown));
  } catch (...) {  // no memory for the error
    lastError.shown = "out of memory";
    return QUERN_MACHINE;
  }
}

Error noHandle(const char* kind, bool zero) {
  return badCommand(fmt::format("the {} {}", kind, zero ? "is 0" : "was freed, or never was one"));
}

Error tooManyHandles(const char* kind) {
  return machineLacks(fmt::format("more of the kind {} than there can be: some are not freed", kind));
}

Error badSize(const char* options, size_t size) {
  return badCommand(fmt::format("the size in {} is {}, sizeof({}) is needed", options, size, options));
}

Result<void> given(const void* argument, const char* name) {
  if (argument == nullptr) return badCommand(fmt::format("{} is NULL", name));
  return {};
}

static std::atomic<uint32_t> forkCount{0};

uint32_t forks() { return forkCount.load(std::memory_order_relaxed); }

/// Once, when the first context is opened.
void becomeLibrary() {
  static bool done = [] {
    setCheckFailure([](const std::string& message) { throw std::logic_error(message); });  // the program is not ours to end
    return ::pthread_atfork(nullptr, nullptr, [] { ++forkCount; }) == 0;
  }();
  (void)done;
}

}  // namespace quern::api

const char* quern_error_message(void) { return quern::api::lastError.shown; }

const char* quern_version(void) { return QUERN_VERSION; }
