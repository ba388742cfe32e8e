// tools/api/Context.cpp — opening and closing contexts, and the log.
#include "tools/api/Context.h"

#include "compiler/base/Log.h"
#include "compiler/target/HostTarget.h"
#include "tools/api/Answer.h"

#include <atomic>
#include <fmt/format.h>
#include <forward_list>

namespace quern::api {

std::shared_ptr<Pools::Pool> Pools::of(int threads) {
  constexpr size_t kMost = 3;  // callers settle on a count or two
  std::lock_guard lock(guard_);
  auto [found, fresh] = pools_.try_emplace(threads);
  if (fresh) found->second = std::make_shared<Pool>(threads);
  std::shared_ptr<Pool> pool = found->second;
  if (pools_.size() > kMost) std::erase_if(pools_, [](const auto& each) { return each.second.use_count() == 1; });  // that nobody uses now
  return pool;
}

Result<int> threadsOf(int given) {
  constexpr int kMost = 1024;
  if (given < 0 || given > kMost) return badCommand(fmt::format("threads is {}; 0 to {} can be", given, kMost));
  return given == 0 ? usableCpus() : given;
}

namespace {

Result<void> open(const quern_options* given, quern_context* out) {
  becomeLibrary();
  if (auto good = api::given(out, "out"); !good) return good;
  auto options = optionsOf(given, "quern_options");
  if (!options) return options.error();
  auto target = findRunnableTarget(options->cpu == nullptr ? "host" : options->cpu);
  if (!target) return target.error();
  auto context = std::make_shared<Context>(std::move(*target), cacheDirectories(options->cache == nullptr ? "" : options->cache));
  if (options->bundle != nullptr)
    if (auto good = context->library.useBundle(options->bundle); !good) return good;
  if (options->no_compiler != 0) context->library.refuseCompiler();
  return handOut(std::move(context), out);
}

/// Who listens: both at once, so that no line goes to one sink with the other's user.
struct Listener {
  quern_log_sink sink;
  void* user;
};
std::atomic<const Listener*> listener{nullptr};

void tell(std::string_view kind, std::string_view message) {
  const Listener* to = listener.load(std::memory_order_acquire);
  if (to != nullptr) to->sink(to->user, std::string(kind).c_str(), std::string(message).c_str());
}

/// Listeners are never freed: a line may be on its way to one. There are as many as calls of quern_set_log.
Result<void> setLog(quern_log_sink sink, void* user, const char* topics) {
  if (auto good = setLogTopics(topics == nullptr ? "" : topics); !good) return good;
  static std::mutex guard;
  static auto* all = new std::forward_list<Listener>;
  std::lock_guard lock(guard);
  listener.store(sink == nullptr ? nullptr : &all->emplace_front(Listener{sink, user}), std::memory_order_release);
  setLogSink(sink == nullptr ? nullptr : tell);
  return {};
}

}  // namespace

}  // namespace quern::api

using namespace quern::api;

int quern_open(const quern_options* options, quern_context* out) {
  noHandleYet(out);
  return answeredOnOwnStack([&] { return open(options, out); });
}

int quern_close(quern_context context) { return freed<Context>(context); }

int quern_set_log(quern_log_sink sink, void* user, const char* topics) {
  return answered([&] { return setLog(sink, user, topics); });
}
