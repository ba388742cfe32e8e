// compiler/base/CodePages.h — memory for machine code: written first, executed later, never both at once.
#pragma once

#include "compiler/base/Result.h"

#include <cstddef>
#include <memory>

namespace quern {

/// Pages that are written until seal() and executed after it, at the same address. Services may be forbidden to turn memory they wrote
/// into code (systemd's MemoryDenyWriteExecute, SELinux's execmem): the code then is written to a file without a name, which is mapped in
/// place of the pages.
/// Errors   Machine: no memory; execution refused, with what refused it.
class CodePages {
public:
  static Result<CodePages> make(size_t bytes);

  unsigned char* data() const { return static_cast<unsigned char*>(pages_.get()); }
  Result<void> seal();
  /// The pages go with its last copy.
  const std::shared_ptr<void>& owner() const { return pages_; }

private:
  CodePages(std::shared_ptr<void> pages, size_t bytes) : pages_(std::move(pages)), bytes_(bytes) {}
  std::shared_ptr<void> pages_;
  size_t bytes_ = 0;
};

}  // namespace quern
