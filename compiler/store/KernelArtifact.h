// compiler/store/KernelArtifact.h — a compiled kernel as one self-describing, self-checking string of bytes.
#pragma once

#include "compiler/base/Result.h"
#include "compiler/op/OpDesc.h"
#include "compiler/schedule/Schedule.h"
#include "compiler/store/KernelSet.h"

#include <string>

namespace quern {

/// What a kernel is identified by. Everything that can change its bytes is in here; what it was tuned on is not.
struct KernelKey {
  std::string op, schedule;
  std::string contract;   ///< base level plus features the code was allowed
  std::string generator;  ///< fingerprint of our sources from op to codegen
  std::string llvm;       ///< version of LLVM
  std::string abi;        ///< hash of QuernArgs.h
  bool operator==(const KernelKey&) const = default;
};

/// The key of this program's kernels.
KernelKey kernelKey(const OpDesc& op, const Schedule& schedule, const Target& target);
/// What all keys of this program have: its generator, LLVM and calling convention.
KernelKey ownKey();
/// Is it of this program? Others are never found.
bool isOwn(const KernelKey& key);
/// The full key as text, one field a line, each length-prefixed.
std::string text(const KernelKey& key);
/// What files of a key are called: 32 hexadecimal digits. Errors: as sha256.
Result<std::string> hashOf(const KernelKey& key);

struct KernelArtifact {
  KernelKey key;
  KernelInfo info;
  std::string object;
  Certificate certificate;
  std::string provenance;  ///< text of the Target it was compiled or tuned on
  std::string tuning;      ///< the tuning record, one line, or empty
};

/// Format version, key, info, certificate, provenance, record, object, and a SHA-256 of all of that (README.md). Errors: as sha256.
Result<std::string> serialise(const KernelArtifact& artifact);

/// Errors   BadInput: what is wrong: version, truncation, hash, a malformed field, an object that is not of the form. That what
///          it says of itself is true only the compiler knows: KernelLibrary compares `info` with what it would make.
Result<KernelArtifact> parseArtifact(std::string_view bytes);

/// May the kernel run in this process? For matrix units the system's permission is asked for, once. Errors: Machine, naming what is
/// missing; BadInput: a contract that is none.
Result<void> runsHere(const KernelInfo& info);
/// Maps the artifact's code. Errors: as runsHere and loadKernelObject.
Result<KernelRef> loadArtifact(const KernelArtifact& artifact, const std::string& origin);

}  // namespace quern
