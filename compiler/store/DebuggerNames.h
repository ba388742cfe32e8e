// compiler/store/DebuggerNames.h — kernels as GDB knows them: its interface for code that a JIT makes.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

namespace quern {

/// Code at its address, and what it is called.
struct NamedCode {
  const std::byte* code;
  size_t bytes;
  std::string name;
};

/// Known to a debugger as long as it is there. Threads: any.
/// Source   GDB's manual, "JIT Compilation Interface": a list of in-memory object files, and a function at which GDB looks at it.
class DebuggerName {
public:
  explicit DebuggerName(const NamedCode& named);
  DebuggerName(DebuggerName&&) noexcept;
  DebuggerName& operator=(DebuggerName&&) = delete;
  ~DebuggerName();

private:
  struct Entry;
  std::unique_ptr<Entry> entry_;
};

}  // namespace quern
