// tests/model/SlowTerminal.cpp — for LD_PRELOAD: a terminal changes how it takes keys 0.1 seconds after it was asked to. What a program
// writes before that call is answered under the old rules.
#include <dlfcn.h>
#include <termios.h>
#include <unistd.h>

extern "C" int tcsetattr(int file, int when, const termios* how) noexcept {
  constexpr useconds_t kPause = 100'000;
  static auto* real = reinterpret_cast<decltype(&tcsetattr)>(::dlsym(RTLD_NEXT, "tcsetattr"));
  ::usleep(kPause);
  return real(file, when, how);
}
