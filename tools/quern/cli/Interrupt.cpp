// tools/quern/cli/Interrupt.cpp — see Interrupt.h.
#include "tools/quern/cli/Interrupt.h"

#include "tools/quern/cli/CommandLine.h"

#include <csignal>
#include <cstdlib>
#include <cstring>
#include <unistd.h>

namespace quern {

static std::atomic<int> signalled{0};
static std::atomic<bool> heard{false}, patient{false};

/// Only what a handler may do. Files are whole whenever the program ends: they are renamed into place.
[[noreturn]] static void endNow() {
  for (const char* said : {"\n", programInfo().name, ": interrupted\n"})
    if (::write(STDERR_FILENO, said, std::strlen(said)) < 0) break;
  std::_Exit(128 + signalled);
}

static void onSignal(int which) {
  constexpr unsigned kPatienceSeconds = 2;  // alarm() may come a little early, never late
  if (signalled.exchange(which) != 0 || !heard) endNow();
  if (!patient) ::alarm(kPatienceSeconds);
}

void hearSignals() {
  for (int signal : {SIGINT, SIGTERM}) std::signal(signal, onSignal);
  std::signal(SIGALRM, [](int) { endNow(); });
}

Stop interruption() {
  heard = true;
  return Stop(&signalled);
}

Stop patientInterruption() {
  patient = true;
  return interruption();
}

void heardInterruption() {
  heard = false;
  patient = false;
  signalled = 0;
}

bool interrupted() { return signalled != 0; }

int interruptedStatus() { return 128 + signalled; }

}  // namespace quern
