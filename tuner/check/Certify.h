// tuner/check/Certify.h — evidence for each kernel that an op will run: verified by itself, and written into its entry.
#pragma once

#include "compiler/jit/KernelLibrary.h"

namespace quern {

/// What a certificate says of a kernel for small calls (`as`); entries of older programs have "few rows".
inline constexpr const char* kSmallCalls = "small calls";

/// Checks the op's kernels of `choice`, the main one and those for small calls, against the reference at edge sizes.
/// Each entry of the cache gets its own certificate; `record` (may be empty) goes to the main kernel.
/// Errors   What compiling says; Internal where a kernel is wrong; Stopped: those that were verified keep their certificates.
Result<void> certify(KernelLibrary& library, const OpDesc& op, const ScheduleChoice& choice, const std::string& record, const Stop& stop);

/// Where a kernel is looked at that nothing is known of: odd sizes; for one of small calls, at most so many rows and keys.
std::vector<DimValues> sizesToCertify(const OpDesc& op, const Schedule& schedule, const SizeBound& most = {});

/// Writes a certificate, and a record where it is not empty, into one kernel's entry, which lies in the cache. Without a cache: nothing.
Result<void> keepCertificate(KernelLibrary& library, const OpDesc& op, const Schedule& schedule, const Certificate& certificate,
                             const std::string& record);

}  // namespace quern
