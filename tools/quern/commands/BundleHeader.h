// tools/quern/commands/BundleHeader.h — kernels.h of a bundle: its kernels, and for each op one name that finds the right one of them.
#pragma once

#include "compiler/store/Bundle.h"

namespace quern {

/// C99. For a kernel or a set NAME: NAME_tasks, NAME_phase_tasks, NAME_shared_scratch, NAME_thread_scratch of the run-time dimensions; for
/// a set also NAME_kernel, the kernel for these dimensions, and NAME_packing where its weight is packed.
std::string bundleHeader(const BundleManifest& manifest);

}  // namespace quern
