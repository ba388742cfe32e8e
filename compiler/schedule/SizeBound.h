// compiler/schedule/SizeBound.h — up to which sizes of a call a kernel is the one to run.
#pragma once

#include <compare>
#include <cstdint>
#include <string>

namespace quern {

/// Calls with at most so many rows and at most so many keys; 0: any number of them. Of a table in this order the first that covers a call
/// decides for it.
struct SizeBound {
  int64_t rows = 0, keys = 0;

  bool any() const { return rows == 0 && keys == 0; }
  bool covers(int64_t rowCount, int64_t keyCount) const { return (rows == 0 || rowCount <= rows) && (keys == 0 || keyCount <= keys); }
  bool operator==(const SizeBound&) const = default;
  /// Fewest rows first, of as many the fewest keys; any number last.
  std::strong_ordering operator<=>(const SizeBound& other) const {
    auto last = [](int64_t most) { return static_cast<uint64_t>(most) - 1; };
    auto byRows = last(rows) <=> last(other.rows);
    return byRows != 0 ? byRows : last(keys) <=> last(other.keys);
  }
};

/// "rows=16 keys=128", of what is bounded.
inline std::string text(const SizeBound& bound) {
  std::string out = bound.rows > 0 ? "rows=" + std::to_string(bound.rows) : "";
  if (bound.keys > 0) out += (out.empty() ? "keys=" : " keys=") + std::to_string(bound.keys);
  return out;
}

/// The run-time dimensions that bounds go by; empty: the op has none such.
struct SizeDims {
  std::string rows, keys;
};

}  // namespace quern
