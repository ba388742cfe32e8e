// compiler/store/Standing.cpp — see Standing.h.
#include "compiler/store/Standing.h"

#include "compiler/base/Text.h"
#include "compiler/target/Contract.h"

#include <fmt/format.h>

namespace quern {

Standing standingOf(const KernelArtifact& artifact, const Target& host) {
  const KernelKey own = ownKey(), &key = artifact.key;
  if (key.llvm != own.llvm) return {Standing::Foreign, fmt::format("another LLVM's ({})", escapedShort(key.llvm))};
  if (key.abi != own.abi) return {Standing::Foreign, "another way of calling's"};
  if (key.generator != own.generator) return {Standing::Foreign, "another generator's"};
  auto contract = parseContract(key.contract);
  if (!contract) return {Standing::Refused, "refused: " + contract.error().message};
  if (std::vector<std::string> lacking = contract->lackingOn(host); !lacking.empty())
    return {Standing::Refused, "refused: needs " + join(lacking, " ")};
  auto made = parseTarget(artifact.provenance);
  if (made && made->model == host.model) return {Standing::Exact, "exact"};
  return {Standing::Runs, fmt::format("runs, tuned elsewhere ({})", made ? escapedShort(made->model) : "unknown")};
}

}  // namespace quern
