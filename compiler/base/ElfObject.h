// compiler/base/ElfObject.h — reading the relocatable objects that kernels are, and refusing every other kind.
#pragma once

#include "compiler/base/Result.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace quern {

/// A section that is part of the program's memory.
struct ElfSection {
  std::string name;
  std::string_view bytes;
  uint64_t align = 1;
  bool code = false;
};

/// The bytes at `offset` of section `section` refer to `addend` from the start of section `target`.
struct ElfRelocation {
  size_t section, target;
  uint64_t offset;
  int64_t addend;
  uint32_t type;  ///< R_X86_64_PC32, R_AARCH64_ADR_PREL_PG_HI21 ...
};

/// A kernel object, parsed: views into the bytes it was parsed from.
struct ElfObject {
  uint16_t machine = 0;  ///< EM_X86_64 or EM_AARCH64
  std::vector<ElfSection> sections;
  std::vector<ElfRelocation> relocations;
  std::string symbol;  ///< its one global function
  size_t entrySection = 0;
  uint64_t entryOffset = 0;
};

/// The artifact form: one global symbol, none undefined, only code and read-only data, PC-relative relocations between
/// its own sections.
/// Errors   BadInput: what is malformed, or what a kernel object may not have.
Result<ElfObject> parseKernelObject(std::string_view bytes);

/// A relocation's value written into place. `place` is the run-time address of the bytes, `target` what they refer to.
/// Errors   BadInput for a type that kernels do not have or a distance that does not fit.
Result<void> applyRelocation(uint32_t type, uint16_t machine, unsigned char* bytes, uint64_t place, uint64_t target);

}  // namespace quern
