// compiler/target/Target.h — CPUs as values. Reading their files, and the CPU at hand: HostTarget.h.
#pragma once

#include "compiler/base/Keys.h"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace quern {

/// How a base level can leave lanes out of a load or store.
enum class LaneMasks : uint8_t { None, Memory, Full };

/// A base level: the instruction sets that code for it may use without asking. Code is generated for one of these plus
/// the features a schedule names.
struct IsaLevel {
  std::string_view name;     ///< x86-64, x86-64-v2, x86-64-v3, x86-64-v4, aarch64
  std::string_view arch;     ///< x86_64 or aarch64
  std::string_view llvmCpu;  ///< LLVM's target-cpu
  std::string_view model;    ///< LLVM's scheduling model (tune-cpu)
  int vectorBits;
  int vectorRegisters;
  bool fma;
  bool halves;       ///< converts half precision in vectors
  bool tableLookup;  ///< finds sixteen f32 of a register by sixteen indices in one instruction
  bool shortDots;    ///< adds up products of bytes in 16 bits in one instruction (pmaddubsw)
  LaneMasks masks;
  std::string_view requires_;  ///< features of the host that prove the level, comma-separated
};

/// Is this the name of a feature that code could need (LLVM's spelling)?
bool isFeature(std::string_view name);

std::span<const IsaLevel> isaLevels();
const IsaLevel* findIsaLevel(std::string_view name);

/// A CPU: base level, features beyond it, caches. parseTarget(text(t)) == t.
struct Target {
  std::string name;
  std::string level = "x86-64";
  std::vector<std::string> features;  ///< beyond the level; sorted
  int64_t l1Bytes = 32 << 10, l2Bytes = 1 << 20, l3Bytes = 8 << 20;
  std::string model;  ///< the CPU's own name where it was probed: provenance

  const IsaLevel& isa() const;
  int vectorLanes() const { return isa().vectorBits / 32; }
  /// What this CPU can run: the level's proof and the features, sorted.
  std::vector<std::string> allFeatures() const;
  /// What of `needed` this CPU lacks; empty: code for `needed` runs here.
  std::vector<std::string> lackingFor(const Target& needed) const;
  bool operator==(const Target&) const = default;
};

std::string text(const Target& target);
/// Errors   BadCommand naming the key.
Result<Target> parseTarget(std::string_view text);
Result<Target> targetFromKeys(const KeyValues& keys);

}  // namespace quern
