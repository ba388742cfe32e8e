// compiler/base/Caught.cpp — see Caught.h.
#include "compiler/base/Caught.h"

#include "compiler/base/Thread.h"

#include <new>
#include <stdexcept>
#include <system_error>

namespace quern {

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

static Result<int> onThisStack(const std::function<Result<int>()>& body) {
  try {
    return body();
  } catch (...) {
    return errorOf(std::current_exception());
  }
}

Result<int> caught(const std::function<Result<int>()>& body, bool ownStack) {
  if (!ownStack) return onThisStack(body);
  Result<int> status = 0;
  auto thread = Thread::start([&] { status = onThisStack(body); }, kRoomyStackBytes);
  if (!thread) return machineLacks("the stack is limited to less than 8 MiB (ulimit -s), and " + thread.error().message);
  thread->join();
  return status;
}

}  // namespace quern
