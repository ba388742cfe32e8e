// compiler/jit/WorkQueue.h — work that nobody waits for, done in its order by one thread beside those that give it.
#pragma once

#include "compiler/base/Thread.h"

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>

namespace quern {

/// All of it is done when this goes. Threads: add() may be called from any. Where the system gives no thread it is done at once.
class WorkQueue {
public:
  WorkQueue() {
    auto started = Thread::start([this] { run(); });
    if (started) thread_.emplace(std::move(*started));
  }
  WorkQueue(const WorkQueue&) = delete;
  ~WorkQueue() {
    {
      std::lock_guard lock(guard_);
      ends_ = true;
    }
    wake_.notify_one();
    if (thread_) thread_->join();
  }

  void add(std::function<void()> work) {
    if (!thread_) return work();
    {
      std::lock_guard lock(guard_);
      waiting_.push_back(std::move(work));
    }
    wake_.notify_one();
  }

private:
  void run() {
    std::unique_lock lock(guard_);
    for (;;) {
      wake_.wait(lock, [this] { return ends_ || !waiting_.empty(); });
      if (waiting_.empty()) return;
      std::function<void()> work = std::move(waiting_.front());
      waiting_.pop_front();
      lock.unlock();
      work();
      work = nullptr;  // what it held goes without the lock
      lock.lock();
    }
  }

  std::mutex guard_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> waiting_;
  bool ends_ = false;
  std::optional<Thread> thread_;
};

}  // namespace quern
