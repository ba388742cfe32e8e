// compiler/store/DebuggerNames.cpp — see DebuggerNames.h.
#include "compiler/store/DebuggerNames.h"

#include <cstdint>
#include <cstring>
#include <elf.h>
#include <mutex>
#include <vector>

// What GDB looks for, by these names.
extern "C" {
struct jit_code_entry {
  jit_code_entry *next_entry, *prev_entry;
  const char* symfile_addr;
  uint64_t symfile_size;
};
struct jit_descriptor {
  uint32_t version;
  uint32_t action_flag;  ///< 1: registered, 2: to be removed
  jit_code_entry *relevant_entry, *first_entry;
};
__attribute__((visibility("default"))) jit_descriptor __jit_debug_descriptor = {1, 0, nullptr, nullptr};
/// GDB stops here, looks at the descriptor, and goes on.
__attribute__((visibility("default"), noinline)) void __jit_debug_register_code() { asm volatile("" ::: "memory"); }
}

namespace quern {

namespace {

std::mutex guard;  // of the list

#if defined(__x86_64__)
constexpr uint16_t kMachine = EM_X86_64;
#else
constexpr uint16_t kMachine = EM_AARCH64;
#endif

template <class T>
void put(std::string& file, size_t at, const T& value) {
  std::memcpy(file.data() + at, &value, sizeof value);
}

/// An object file of one section without contents, at the code's address, and one function that fills it.
std::string objectFor(const NamedCode& named) {
  static constexpr char kNames[] = "\0.text\0.symtab\0.strtab";
  enum Section : uint16_t { None, Text, Symbols, Strings, kSections };
  std::string strings(kNames, sizeof kNames);
  auto nameAt = static_cast<uint32_t>(strings.size());
  strings += named.name + '\0';
  constexpr size_t kSymbolsAt = sizeof(Elf64_Ehdr) + kSections * sizeof(Elf64_Shdr), kStringsAt = kSymbolsAt + 2 * sizeof(Elf64_Sym);
  std::string file(kStringsAt, 0);
  Elf64_Ehdr head{};
  std::memcpy(head.e_ident, ELFMAG, SELFMAG);
  head.e_ident[EI_CLASS] = ELFCLASS64, head.e_ident[EI_DATA] = ELFDATA2LSB, head.e_ident[EI_VERSION] = EV_CURRENT;
  head.e_type = ET_REL, head.e_machine = kMachine, head.e_version = EV_CURRENT, head.e_ehsize = sizeof head;
  head.e_shoff = sizeof head, head.e_shentsize = sizeof(Elf64_Shdr), head.e_shnum = kSections, head.e_shstrndx = Strings;
  put(file, 0, head);
  Elf64_Shdr text{}, symbols{}, names{};
  text.sh_name = 1, text.sh_type = SHT_NOBITS, text.sh_flags = SHF_ALLOC | SHF_EXECINSTR, text.sh_addralign = 1;
  text.sh_addr = reinterpret_cast<uint64_t>(named.code), text.sh_size = named.bytes;
  symbols.sh_name = 7, symbols.sh_type = SHT_SYMTAB, symbols.sh_offset = kSymbolsAt, symbols.sh_size = 2 * sizeof(Elf64_Sym);
  symbols.sh_link = Strings, symbols.sh_info = 1, symbols.sh_addralign = 8, symbols.sh_entsize = sizeof(Elf64_Sym);
  names.sh_name = 15, names.sh_type = SHT_STRTAB, names.sh_offset = kStringsAt, names.sh_size = strings.size(), names.sh_addralign = 1;
  put(file, sizeof head + Text * sizeof text, text);
  put(file, sizeof head + Symbols * sizeof text, symbols);
  put(file, sizeof head + Strings * sizeof text, names);
  Elf64_Sym symbol{};
  symbol.st_name = nameAt, symbol.st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC), symbol.st_shndx = Text, symbol.st_size = named.bytes;
  put(file, kSymbolsAt + sizeof symbol, symbol);
  return file + strings;
}

}  // namespace

struct DebuggerName::Entry {
  std::string object;
  jit_code_entry listed{};

  void tell(uint32_t action) {
    __jit_debug_descriptor.action_flag = action;
    __jit_debug_descriptor.relevant_entry = &listed;
    __jit_debug_register_code();
    __jit_debug_descriptor.action_flag = 0;
  }
};

DebuggerName::DebuggerName(const NamedCode& named) : entry_(std::make_unique<Entry>()) {
  entry_->object = objectFor(named);
  jit_code_entry& own = entry_->listed;
  own.symfile_addr = entry_->object.data(), own.symfile_size = entry_->object.size();
  std::lock_guard lock(guard);
  own.next_entry = __jit_debug_descriptor.first_entry;
  if (own.next_entry != nullptr) own.next_entry->prev_entry = &own;
  __jit_debug_descriptor.first_entry = &own;
  entry_->tell(1);
}

DebuggerName::DebuggerName(DebuggerName&&) noexcept = default;

DebuggerName::~DebuggerName() {
  if (entry_ == nullptr) return;
  jit_code_entry& own = entry_->listed;
  std::lock_guard lock(guard);
  (own.prev_entry != nullptr ? own.prev_entry->next_entry : __jit_debug_descriptor.first_entry) = own.next_entry;
  if (own.next_entry != nullptr) own.next_entry->prev_entry = own.prev_entry;
  entry_->tell(2);
}

}  // namespace quern
