// tuner/check/Certify.h — evidence for each kernel that an op will run: verified by itself, and written into its entry.
#pragma once

#include "compiler/jit/KernelLibrary.h"

namespace quern {

/// Checks the op's kernels of `choice`, the one for many rows and those for few, against the reference at edge sizes.
/// Each entry of the cache gets its own certificate; `record` (may be empty) goes to the kernel for many rows.
/// Errors   What compiling says; Internal where a kernel is wrong; Stopped: those that were verified keep their certificates.
Result<void> certify(KernelLibrary& library, const OpDesc& op, const ScheduleChoice& choice, const std::string& record, const Stop& stop);

/// Writes a certificate, and a record where it is not empty, into one kernel's entry, which lies in the cache. Without a cache: nothing.
Result<void> keepCertificate(KernelLibrary& library, const OpDesc& op, const Schedule& schedule, const Certificate& certificate,
                             const std::string& record);

}  // namespace quern
