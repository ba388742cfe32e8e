// compiler/base/Sha256.cpp — see Sha256.h.
#include "compiler/base/Sha256.h"

#include <fmt/format.h>
#include <openssl/evp.h>

namespace quern {

Result<std::string> sha256(std::string_view bytes) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  size_t length = 0;
  if (EVP_Q_digest(nullptr, "SHA256", nullptr, bytes.data(), bytes.size(), digest, &length) != 1 || 2 * length != kSha256Chars)
    return machineLacks(
        fmt::format("the SHA-256 of {} bytes could not be computed: libcrypto failed, as it does without memory", bytes.size()));
  std::string hex;
  hex.reserve(kSha256Chars);
  for (size_t i = 0; i < length; ++i)
    for (int shift : {4, 0}) hex += "0123456789abcdef"[(digest[i] >> shift) & 15];
  return hex;
}

}  // namespace quern
