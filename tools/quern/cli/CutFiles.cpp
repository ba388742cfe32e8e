// tools/quern/cli/CutFiles.cpp — see CutFiles.h.
#include "tools/quern/cli/CutFiles.h"

#include "models/files/MappedFile.h"
#include "tools/quern/cli/CommandLine.h"

#include <csignal>
#include <cstring>
#include <unistd.h>

namespace quern {

static void say(const char* text) { [[maybe_unused]] ssize_t written = ::write(STDERR_FILENO, text, std::strlen(text)); }

/// Only what a signal handler may do.
static void onCutFile(int signal, siginfo_t* info, void*) {
  const char* path = info->si_code > 0 ? mappedFileAt(info->si_addr) : nullptr;
  if (path == nullptr) {
    std::signal(signal, SIG_DFL);  // what raised it runs again
    if (info->si_code <= 0) ::raise(signal);
    return;
  }
  say(programInfo().name);
  say(": ");
  say(path);
  say(": became shorter while it was read\n");
  ::_exit(3);
}

void nameCutFiles() {
  struct sigaction action{};
  action.sa_sigaction = onCutFile;
  action.sa_flags = SA_SIGINFO;
  ::sigemptyset(&action.sa_mask);
  ::sigaction(SIGBUS, &action, nullptr);
}

}  // namespace quern
