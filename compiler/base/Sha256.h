// compiler/base/Sha256.h — the strong hash: names of cache entries, and the proof that nothing in one has changed.
#pragma once

#include "compiler/base/Result.h"

#include <string>
#include <string_view>

namespace quern {

constexpr size_t kSha256Chars = 64;

/// Lower-case hexadecimal SHA-256 of `bytes`. Errors: Machine, where libcrypto fails: there is no hash then, and nothing may be
/// named by one.
Result<std::string> sha256(std::string_view bytes);

}  // namespace quern
