// compiler/base/Sha256.cpp — see Sha256.h.
#include "compiler/base/Sha256.h"

#include <fmt/format.h>
// The calls that hash in a state of the caller's: nothing is allocated, no configuration file is read. OpenSSL 3.0's newer ones make a
// library context first, and one made while memory is short has locks that are null, which they follow (seen: SIGSEGV in EVP_Q_digest).
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>

namespace quern {

Result<std::string> sha256(std::string_view bytes) {
  unsigned char digest[SHA256_DIGEST_LENGTH];
  static_assert(2 * sizeof digest == kSha256Chars);
  SHA256_CTX state;
  if (SHA256_Init(&state) != 1 || SHA256_Update(&state, bytes.data(), bytes.size()) != 1 || SHA256_Final(digest, &state) != 1)
    return machineLacks(fmt::format("the SHA-256 of {} bytes could not be computed: libcrypto failed", bytes.size()));
  std::string hex;
  hex.reserve(kSha256Chars);
  for (unsigned char byte : digest)
    for (int shift : {4, 0}) hex += "0123456789abcdef"[(byte >> shift) & 15];
  return hex;
}

}  // namespace quern
