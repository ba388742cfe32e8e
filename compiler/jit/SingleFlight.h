// compiler/jit/SingleFlight.h — however many threads ask for one thing that takes long, one makes it and all get it.
#pragma once

#include <future>
#include <map>
#include <mutex>
#include <string>

namespace quern {

/// Threads  any; `make` runs without a lock, so things of other names are made at the same time.
template <class T>
class SingleFlight {
public:
  /// What `make` gave, here or in the thread that came first. It is made again when somebody asks after that.
  template <class Make>
  T once(const std::string& name, const Make& make) {
    std::promise<T> promise;
    std::shared_future<T> flight;
    {
      std::lock_guard lock(guard_);
      auto [found, first] = flights_.try_emplace(name);
      if (!first) flight = found->second;
      else found->second = promise.get_future().share();
    }
    if (flight.valid()) return flight.get();
    try {
      T made = make();
      land(name);
      promise.set_value(made);
      return made;
    } catch (...) {  // memory, for the most part: those who wait must hear of it
      land(name);
      promise.set_exception(std::current_exception());
      throw;
    }
  }

private:
  void land(const std::string& name) {
    std::lock_guard lock(guard_);
    flights_.erase(name);
  }

  std::mutex guard_;
  std::map<std::string, std::shared_future<T>> flights_;
};

}  // namespace quern
