// compiler/base/Variants.h — an alternative that makes variants of plain things safe to copy.
#pragma once

namespace quern {

/// The last alternative of a variant that otherwise holds numbers, strings and vectors only; it is never held. libstdc++ 12 takes such a
/// variant for one that always has a value: when a copy of it runs out of memory it destroys what was never there (SIGSEGV). A type that
/// is not trivially copied makes it look first.
struct NeverHeld {
  NeverHeld() = delete;
  NeverHeld(const NeverHeld&) noexcept {}  // defaulted it would be trivial
  NeverHeld& operator=(const NeverHeld&) noexcept { return *this; }
};

}  // namespace quern
