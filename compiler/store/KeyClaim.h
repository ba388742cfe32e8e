// compiler/store/KeyClaim.h — who compiles a key: however many processes miss it at once, one makes it and the others wait for that.
#pragma once

#include "compiler/base/Stop.h"
#include "compiler/base/TrustedFolder.h"

#include <chrono>
#include <string>

namespace quern {

/// The lock of one key, in a file beside its entry that goes with the claim. The system lets go of the lock when its owner ends, however
/// it ends, so nobody waits for the dead.
class KeyClaim {
public:
  /// Takes the claim, or waits for it at most `patience`, and until `stop` is asked. Where that passes, or the folder knows no locks, the
  /// caller goes on without: a key compiled twice costs time and is otherwise harmless, since entries are replaced whole.
  static KeyClaim take(TrustedFolder folder, const std::string& hash, std::chrono::milliseconds patience, const Stop& stop = {});
  KeyClaim(KeyClaim&&) = default;
  KeyClaim& operator=(KeyClaim&&) = delete;
  ~KeyClaim();

  /// The file of a key's claim.
  static std::string fileOf(const std::string& hash);
  /// Whether `name` is the file of a claim, held or left behind.
  static bool isClaim(std::string_view name);

private:
  KeyClaim(TrustedFolder folder, std::string name) : folder_(std::move(folder)), name_(std::move(name)) {}
  /// One try. False: another has it, or had it a moment ago.
  bool tryOnce();

  TrustedFolder folder_;
  std::string name_;
  Descriptor lock_;
};

}  // namespace quern
