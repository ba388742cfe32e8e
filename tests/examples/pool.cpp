// tests/examples/pool.cpp — a product on the caller's own threads:
//   c++ pool.cpp $(pkg-config --cflags --libs quern) -o example
#include <quern.h>

#include <condition_variable>
#include <cstdio>
#include <functional>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <vector>

/// A plain pool: work that waits in a queue, threads that take it. Whoever has one already has this.
class Pool {
public:
  explicit Pool(int threads) {
    for (int i = 0; i < threads; ++i) workers_.emplace_back([this, i] { work(i); });
  }
  ~Pool() {
    {
      std::lock_guard lock(guard_);
      ends_ = true;
    }
    changed_.notify_all();
    for (std::thread& each : workers_) each.join();
  }
  int threads() const { return static_cast<int>(workers_.size()); }

  /// body(thread, begin, end) over [0, count), a part for each thread; returns when all are done.
  void run(int64_t count, const std::function<void(int, int64_t, int64_t)>& body) {
    std::unique_lock lock(guard_);
    body_ = &body, count_ = count, left_ = threads(), ++job_;
    changed_.notify_all();
    changed_.wait(lock, [this] { return left_ == 0; });
  }

private:
  void work(int thread) {
    for (int seen = 0;;) {
      std::unique_lock lock(guard_);
      changed_.wait(lock, [&] { return ends_ || job_ != seen; });
      if (ends_) return;
      seen = job_;
      const auto* body = body_;
      int64_t begin = count_ * thread / threads(), end = count_ * (thread + 1) / threads();
      lock.unlock();
      (*body)(thread, begin, end);
      lock.lock();
      if (--left_ == 0) changed_.notify_all();
    }
  }

  std::mutex guard_;
  std::condition_variable changed_;
  const std::function<void(int, int64_t, int64_t)>* body_ = nullptr;
  int64_t count_ = 0;
  int left_ = 0, job_ = 0;
  bool ends_ = false;
  std::vector<std::thread> workers_;
};

static void check(int status) {
  if (status != QUERN_OK) throw std::runtime_error(quern_error_message());
}

int main() try {
  constexpr int64_t kSize = 300;
  std::vector<float> a(kSize * kSize, 0.5f), b(kSize * kSize, 2.0f), c(kSize * kSize);
  const int64_t shape[] = {kSize, kSize};
  quern_array arrays[3] = {};
  for (auto [i, data] : {std::pair{0, &a}, {1, &b}, {2, &c}}) arrays[i].data = data->data(), arrays[i].shape = shape, arrays[i].rank = 2;

  Pool pool(2);
  quern_runner runner = {};
  runner.user = &pool, runner.threads = pool.threads();
  runner.run = [](void* user, int64_t count, quern_task task, void* data) {
    static_cast<Pool*>(user)->run(count, [&](int thread, int64_t begin, int64_t end) { task(data, thread, begin, end); });
  };

  quern_context context;
  quern_op op;
  check(quern_open(nullptr, &context));
  check(quern_op_prepare(context, "matmul m=* n=* k=*", nullptr, &op));
  check(quern_run_on(op, arrays, 3, &runner));
  std::printf("%g %g\n", static_cast<double>(c.front()), static_cast<double>(c.back()));
  check(quern_op_free(op));
  check(quern_close(context));
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
