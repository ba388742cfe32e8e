// tests/machine/FailingMalloc.cpp — for LD_PRELOAD: memory that is not to be had from the N-th request on (QUERN_FAIL_AT), or for that one
// only (with QUERN_FAIL_ONCE). Counting begins when the program first sets a signal's disposition, in main: what fails before that is not
// its own. With QUERN_FAIL_AT=count the number of requests goes to stderr at the end.
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <unistd.h>

extern "C" {
void* __libc_malloc(size_t);
void* __libc_calloc(size_t, size_t);
void* __libc_realloc(void*, size_t);
void* __libc_memalign(size_t, size_t);
}

namespace {

std::atomic<bool> armed{false};
std::atomic<long> requests{0};
long failAt = -1;
bool once = false;

bool refused() {
  if (!armed.load(std::memory_order_relaxed)) return false;
  long now = ++requests;
  if (failAt < 0 || (once ? now != failAt : now < failAt)) return false;
  errno = ENOMEM;
  return true;
}

void arm() {
  const char* at = std::getenv("QUERN_FAIL_AT");
  if (at == nullptr || armed) return;
  failAt = std::strcmp(at, "count") == 0 ? -1 : std::atol(at);
  once = std::getenv("QUERN_FAIL_ONCE") != nullptr;
  armed = true;
}

__attribute__((destructor)) void tell() {
  if (!armed || failAt >= 0) return;
  char line[64];
  int length = std::snprintf(line, sizeof line, "requests %ld\n", requests.load());
  if (::write(2, line, static_cast<size_t>(length)) < 0) return;
}

}  // namespace

extern "C" {

void* malloc(size_t bytes) { return refused() ? nullptr : __libc_malloc(bytes); }
void* calloc(size_t count, size_t bytes) { return refused() ? nullptr : __libc_calloc(count, bytes); }
void* realloc(void* old, size_t bytes) { return refused() ? nullptr : __libc_realloc(old, bytes); }
void* aligned_alloc(size_t align, size_t bytes) { return refused() ? nullptr : __libc_memalign(align, bytes); }
void* memalign(size_t align, size_t bytes) { return refused() ? nullptr : __libc_memalign(align, bytes); }
int posix_memalign(void** out, size_t align, size_t bytes) {
  void* made = refused() ? nullptr : __libc_memalign(align, bytes);
  if (made == nullptr) return ENOMEM;
  *out = made;
  return 0;
}

sighandler_t signal(int number, sighandler_t handler) {
  arm();
  struct sigaction action{}, before{};
  action.sa_handler = handler;
  return ::sigaction(number, &action, &before) == 0 ? before.sa_handler : SIG_ERR;
}
}
