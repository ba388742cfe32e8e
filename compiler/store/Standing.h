// compiler/store/Standing.h — an entry of a cache on a machine: may its code run here, and was it made here?
#pragma once

#include "compiler/store/KernelArtifact.h"

namespace quern {

struct Standing {
  enum Kind : uint8_t {
    Exact,    ///< made on this CPU
    Runs,     ///< made on another, whose decisions are a guess here
    Refused,  ///< it needs what this CPU lacks
    Foreign,  ///< of another program: other sources, LLVM or calls; never found
  } kind;
  /// "exact", "runs, tuned elsewhere (MODEL)" or "(unknown)", "refused: needs avx512bf16" or what is wrong with its contract, "another
  /// generator's", "another LLVM's (18.1.8)", "another way of calling's".
  std::string text;
};
Standing standingOf(const KernelArtifact& artifact, const Target& host);

}  // namespace quern
