// compiler/base/Thread.h — threads that may not be had, with a stack that does not depend on `ulimit -s`.
#pragma once

#include "compiler/base/Result.h"

#include <cstddef>
#include <functional>
#include <memory>

namespace quern {

/// A running thread; it is waited for when this goes. Signals that people and terminals send go to the threads of who uses it, never to
/// this one: what puts a terminal back must not meet a thread that goes on meanwhile.
/// Errors   start() -> Machine where the system gives no more threads or no memory for their stack.
class Thread {
public:
  static constexpr size_t kStackBytes = 1 << 20;  ///< kernels take some KiB of it

  static Result<Thread> start(std::function<void()> body, size_t stackBytes = kStackBytes);
  Thread(Thread&& other) noexcept;
  Thread& operator=(Thread&& other) noexcept;
  ~Thread();

  /// Waits for the end. What the body threw (memory that was not to be had) is thrown here.
  void join();

private:
  struct State;
  explicit Thread(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace quern
