// tools/quern/commands/ReportFill.h — what the report says of the machine and of each op: from library, journal and ceilings.
#pragma once

#include "tools/quern/commands/BenchFiles.h"
#include "tools/report/Pictures.h"
#include "tuner/Explain.h"
#include "tuner/measure/Ceilings.h"

namespace quern {

MachineFacts machineFacts(const Target& target, const Ceilings& ceilings, const std::string& unmeasured);

/// `ceilings`: null where they are not known.
OpFacts opFacts(KernelLibrary& library, const Explanation& explanation, const Ceilings* ceilings, const std::vector<BenchedRow>& benched);

}  // namespace quern
