// compiler/store/ObjectLoader.cpp — see ObjectLoader.h.
#include "compiler/store/ObjectLoader.h"

#include "compiler/base/ElfObject.h"

#include <cerrno>
#include <cstring>
#include <elf.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <vector>

namespace quern {

#if defined(__x86_64__)
static constexpr uint16_t kHostMachine = EM_X86_64;
#else
static constexpr uint16_t kHostMachine = EM_AARCH64;
#endif

/// An anonymous mapping that goes with the last kernel in it.
static Result<std::shared_ptr<void>> mapPages(size_t bytes) {
  void* pages = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pages == MAP_FAILED) return machineLacks(fmt::format("cannot map {} bytes for a kernel: {}", bytes, std::strerror(errno)));
  return std::shared_ptr<void>(pages, [bytes](void* dead) { ::munmap(dead, bytes); });
}

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
  auto pages = mapPages(total);
  if (!pages) return pages.error();
  auto* base = static_cast<unsigned char*>(pages->get());
  for (size_t i = 0; i < offsets.size(); ++i)
    std::memcpy(base + offsets[i], object->sections[i].bytes.data(), object->sections[i].bytes.size());
  for (const ElfRelocation& r : object->relocations) {
    unsigned char* place = base + offsets[r.section] + r.offset;
    auto target = reinterpret_cast<uint64_t>(base + offsets[r.target]) + static_cast<uint64_t>(r.addend);
    if (auto good = applyRelocation(r.type, object->machine, place, reinterpret_cast<uint64_t>(place), target); !good) return good.error();
  }
  __builtin___clear_cache(reinterpret_cast<char*>(base), reinterpret_cast<char*>(base + total));
  if (::mprotect(base, total, PROT_READ | PROT_EXEC) != 0)
    return machineLacks(fmt::format("cannot make a kernel executable: {}", std::strerror(errno)));
  auto* entry = reinterpret_cast<QuernKernel*>(base + offsets[object->entrySection] + object->entryOffset);
  return LoadedCode{entry, std::move(*pages)};
}

}  // namespace quern
