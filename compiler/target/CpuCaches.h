// compiler/target/CpuCaches.h — how large the caches of the CPU at hand are.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace quern {

/// Bytes of the data or unified cache of a level (1 to 3): as Linux reports it under `root`/sys, else as the CPU does. Not from sysconf,
/// which on some AMD parts adds the level-3 caches of a socket.
std::optional<int64_t> dataCacheBytes(int level, const std::string& root = "");

}  // namespace quern
