// compiler/base/Thread.cpp — see Thread.h. std::thread takes its stack's size from `ulimit -s`, which may be 64 KiB.
#include "compiler/base/Thread.h"

#include <csignal>
#include <cstring>
#include <exception>
#include <fmt/format.h>
#include <pthread.h>
#include <utility>

namespace quern {

struct Thread::State {
  pthread_t id{};
  std::function<void()> body;
  std::exception_ptr thrown;

  static void* run(void* own) {
    auto& state = *static_cast<State*>(own);
    try {
      state.body();
    } catch (...) {
      state.thrown = std::current_exception();
    }
    return nullptr;
  }
};

Thread::Thread(std::unique_ptr<State> state) : state_(std::move(state)) {}
Thread::Thread(Thread&& other) noexcept = default;

Thread& Thread::operator=(Thread&& other) noexcept {
  std::swap(state_, other.state_);
  return *this;
}

Result<Thread> Thread::start(std::function<void()> body, size_t stackBytes) {
  auto state = std::make_unique<State>();
  state->body = std::move(body);
  pthread_attr_t attributes;
  int why = ::pthread_attr_init(&attributes);
  if (why == 0) {
    why = ::pthread_attr_setstacksize(&attributes, stackBytes);
    // A new thread has the mask of its maker.
    sigset_t people, before;
    ::sigemptyset(&people);
    for (int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGALRM, SIGTSTP, SIGCONT, SIGWINCH}) ::sigaddset(&people, signal);
    ::pthread_sigmask(SIG_BLOCK, &people, &before);
    if (why == 0) why = ::pthread_create(&state->id, &attributes, State::run, state.get());
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    ::pthread_attr_destroy(&attributes);
  }
  if (why != 0) return machineLacks(fmt::format("cannot start a thread: {}", std::strerror(why)));
  return Thread(std::move(state));
}

void Thread::join() {
  if (state_ == nullptr) return;
  ::pthread_join(state_->id, nullptr);
  std::exception_ptr thrown = state_->thrown;
  state_.reset();
  if (thrown) std::rethrow_exception(thrown);
}

Thread::~Thread() {
  if (state_ != nullptr) ::pthread_join(state_->id, nullptr);
}

}  // namespace quern
