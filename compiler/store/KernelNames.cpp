// compiler/store/KernelNames.cpp — see KernelNames.h.
#include "compiler/store/KernelNames.h"

#include "compiler/base/ElfObject.h"
#include "compiler/base/Text.h"
#include "compiler/store/DebuggerNames.h"
#include "compiler/store/PerfFiles.h"

namespace quern {

std::shared_ptr<void> named(const QuernKernel* entry, std::string_view object, const KernelInfo& info, std::shared_ptr<void> owner) {
  auto parsed = parseKernelObject(object);
  if (!parsed) return owner;
  NamedCode code{reinterpret_cast<const std::byte*>(entry), parsed->sections[parsed->entrySection].bytes.size() - parsed->entryOffset,
                 "quern " + escaped(info.op + " | " + info.schedule)};
  nameForPerf(code);
  struct Kept {
    std::shared_ptr<void> owner;
    DebuggerName name;  // goes first: no name outlives its code
  };
  return std::make_shared<Kept>(Kept{std::move(owner), DebuggerName(code)});
}

}  // namespace quern
