// compiler/store/ObjectLoader.cpp — see ObjectLoader.h.
#include "compiler/store/ObjectLoader.h"

#include "compiler/base/CodePages.h"
#include "compiler/base/ElfObject.h"

#include <cstring>
#include <elf.h>
#include <vector>

namespace quern {

#if defined(__x86_64__)
static constexpr uint16_t kHostMachine = EM_X86_64;
#else
static constexpr uint16_t kHostMachine = EM_AARCH64;
#endif

Result<LoadedCode> loadKernelObject(std::string_view bytes) {
  auto object = parseKernelObject(bytes);
  if (!object) return object.error();
  if (object->machine != kHostMachine) return badInput("kernel object: it is for another architecture");
  std::vector<size_t> offsets;
  size_t total = 0;
  for (const ElfSection& section : object->sections) {
    total = (total + section.align - 1) / section.align * section.align;
    offsets.push_back(total);
    total += section.bytes.size();
  }
  auto pages = CodePages::make(total);
  if (!pages) return pages.error();
  unsigned char* base = pages->data();
  for (size_t i = 0; i < offsets.size(); ++i)
    std::memcpy(base + offsets[i], object->sections[i].bytes.data(), object->sections[i].bytes.size());
  for (const ElfRelocation& r : object->relocations) {
    unsigned char* place = base + offsets[r.section] + r.offset;
    auto target = reinterpret_cast<uint64_t>(base + offsets[r.target]) + static_cast<uint64_t>(r.addend);
    if (auto good = applyRelocation(r.type, object->machine, place, reinterpret_cast<uint64_t>(place), target); !good) return good.error();
  }
  if (auto good = pages->seal(); !good) return good.error();
  auto* entry = reinterpret_cast<QuernKernel*>(base + offsets[object->entrySection] + object->entryOffset);
  return LoadedCode{entry, pages->owner()};
}

}  // namespace quern
