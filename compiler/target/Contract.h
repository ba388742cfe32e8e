// compiler/target/Contract.h — what a CPU must have to run a piece of code.
#pragma once

#include "compiler/target/Target.h"

namespace quern {

/// A base level and features beyond it, sorted, in LLVM's spelling. Text: "x86-64-v4", "x86-64-v4 + avx512bf16 + avx512vnni".
struct Contract {
  std::string level = "x86-64";
  std::vector<std::string> features;

  const IsaLevel& isa() const;
  bool has(std::string_view feature) const;
  /// "+avx512vnni,+avx512bf16"; empty where there are none.
  std::string llvmFeatures() const;
  /// What `host` lacks; empty: the code runs there.
  std::vector<std::string> lackingOn(const Target& host) const;
  bool operator==(const Contract&) const = default;
};

std::string text(const Contract& contract);
/// Errors   BadInput: no base level, no feature that is known, twice the same.
Result<Contract> parseContract(std::string_view text);

}  // namespace quern
