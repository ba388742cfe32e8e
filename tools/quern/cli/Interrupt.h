// tools/quern/cli/Interrupt.h — SIGINT and SIGTERM: the one place where the program hears them.
#pragma once

#include "compiler/base/Stop.h"

namespace quern {

/// From now on a signal ends the program at once with status 130 or 143, unless somebody listens.
void hearSignals();

/// Listens: a signal only sets what this Stop asks. Who listens ends soon, keeping what is done; two seconds later, or at a second
/// signal, the program is ended as if nobody listened.
Stop interruption();
/// The same for who goes on afterwards: only a second signal ends the program, and heardInterruption() makes it deaf again.
Stop patientInterruption();
void heardInterruption();

/// Whether a signal came, and the status for it: 130 or 143.
bool interrupted();
int interruptedStatus();

}  // namespace quern
