// compiler/base/ElfObject.cpp — see ElfObject.h. Every offset and size is checked against the bytes that are there.
#include "compiler/base/ElfObject.h"

#include "compiler/base/Checked.h"
#include "compiler/base/Text.h"

#include <cstring>
#include <elf.h>
#include <fmt/format.h>
#include <map>

namespace quern {

namespace {

class Parser {
public:
  explicit Parser(std::string_view bytes) : bytes_(bytes) {}

  Result<ElfObject> run() {
    header();
    if (good()) sectionTable();
    if (good()) relocations();
    if (good()) symbols();
    if (good() && out_.symbol.empty()) fail("it has no global function");
    if (!good()) return badInput("kernel object: " + failed_);
    return std::move(out_);
  }

private:
  bool good() const { return failed_.empty(); }
  void fail(std::string why) {
    if (failed_.empty()) failed_ = std::move(why);
  }

  template <class T>
  T read(uint64_t offset) {
    T value{};
    if (offset > bytes_.size() || bytes_.size() - offset < sizeof(T)) fail(fmt::format("truncated at byte {}", bytes_.size()));
    else std::memcpy(&value, bytes_.data() + offset, sizeof(T));
    return value;
  }
  std::string_view slice(uint64_t offset, uint64_t size) {
    if (offset > bytes_.size() || bytes_.size() - offset < size) {
      fail(fmt::format("a section of {} bytes at {} is outside its {} bytes", size, offset, bytes_.size()));
      return {};
    }
    return bytes_.substr(offset, size);
  }
  std::string name(std::string_view table, uint64_t at) {
    size_t end = at < table.size() ? table.find('\0', at) : std::string_view::npos;
    if (end == std::string_view::npos) return fail("a name is outside its table"), std::string();
    return std::string(table.substr(at, end - at));
  }

  void header() {
    auto h = read<Elf64_Ehdr>(0);
    if (!good()) return;
    bool elf64 = std::memcmp(h.e_ident, ELFMAG, SELFMAG) == 0 && h.e_ident[EI_CLASS] == ELFCLASS64 && h.e_ident[EI_DATA] == ELFDATA2LSB;
    if (!elf64 || h.e_type != ET_REL) return fail("not a 64-bit little-endian relocatable ELF file");
    if (h.e_machine != EM_X86_64 && h.e_machine != EM_AARCH64)
      return fail(fmt::format("machine {} is neither x86-64 nor AArch64", h.e_machine));
    if (h.e_shentsize != sizeof(Elf64_Shdr) || h.e_shnum == 0 || h.e_shstrndx >= h.e_shnum) return fail("its section table is malformed");
    out_.machine = h.e_machine;
    for (uint64_t i = 0; i < h.e_shnum && good(); ++i) headers_.push_back(read<Elf64_Shdr>(h.e_shoff + i * sizeof(Elf64_Shdr)));
    names_ = good() ? slice(headers_[h.e_shstrndx].sh_offset, headers_[h.e_shstrndx].sh_size) : std::string_view();
  }

  void sectionTable() {
    for (size_t i = 0; i < headers_.size() && good(); ++i) {
      const Elf64_Shdr& s = headers_[i];
      if ((s.sh_flags & SHF_ALLOC) == 0) continue;
      std::string called = name(names_, s.sh_name);
      bool empty = s.sh_size == 0;
      bool code = called == ".text" && (s.sh_flags & SHF_EXECINSTR) != 0;
      bool data = called.starts_with(".rodata") && (s.sh_flags & SHF_EXECINSTR) == 0;
      if (empty) continue;
      constexpr uint64_t kFlags = SHF_ALLOC | SHF_EXECINSTR | SHF_MERGE | SHF_STRINGS;
      if ((s.sh_flags & ~kFlags) != 0 || s.sh_type != SHT_PROGBITS || !(code || data))
        return fail(fmt::format("section '{}': a kernel has .text and .rodata only", escaped(called)));
      if (s.sh_addralign > 4096 || (s.sh_addralign & (s.sh_addralign - 1)) != 0)
        return fail(fmt::format("section '{}' is aligned to {}", escaped(called), s.sh_addralign));
      index_[i] = out_.sections.size();
      out_.sections.push_back({called, slice(s.sh_offset, s.sh_size), std::max<uint64_t>(1, s.sh_addralign), code});
      loaded_ += good() ? s.sh_size : 0;
      if (loaded_ > bytes_.size()) return fail("its sections overlap");
    }
  }

  Elf64_Sym symbolAt(const Elf64_Shdr& table, uint64_t i) {
    if (i >= table.sh_size / sizeof(Elf64_Sym)) fail(fmt::format("symbol {} is outside its table", i));
    return read<Elf64_Sym>(table.sh_offset + i * sizeof(Elf64_Sym));
  }

  void relocations() {
    for (const Elf64_Shdr& s : headers_) {
      if (s.sh_type == SHT_REL) return fail("relocations without addends");
      if (s.sh_type != SHT_RELA) continue;
      auto into = index_.find(s.sh_info);
      if (into == index_.end()) continue;  // of a section that is not loaded
      if (s.sh_link >= headers_.size()) return fail("a relocation section has no symbol table");
      std::string_view table = slice(s.sh_offset, s.sh_size);
      for (uint64_t at = 0; at + sizeof(Elf64_Rela) <= table.size() && good(); at += sizeof(Elf64_Rela)) {
        auto r = read<Elf64_Rela>(s.sh_offset + at);
        Elf64_Sym symbol = symbolAt(headers_[s.sh_link], ELF64_R_SYM(r.r_info));
        auto to = index_.find(symbol.st_shndx);
        if (good() && to == index_.end()) return fail("a relocation refers outside the object");
        if (!good()) return;
        auto place = checkedAdd(r.r_addend, static_cast<int64_t>(symbol.st_value));
        // x86-64 counts from the end of the instruction, up to 12 bytes behind the place.
        constexpr int64_t kBefore = 16;
        int64_t extent = static_cast<int64_t>(out_.sections[to->second].bytes.size());
        if (!place || *place < -kBefore || *place > extent) return fail("a relocation refers outside the section it names");
        if (r.r_offset > out_.sections[into->second].bytes.size() || out_.sections[into->second].bytes.size() - r.r_offset < 4)
          return fail("a relocation is outside its section");
        out_.relocations.push_back({into->second, to->second, r.r_offset, *place, static_cast<uint32_t>(ELF64_R_TYPE(r.r_info))});
      }
    }
  }

  void symbols() {
    for (const Elf64_Shdr& s : headers_) {
      if (s.sh_type != SHT_SYMTAB || s.sh_link >= headers_.size()) continue;
      std::string_view names = slice(headers_[s.sh_link].sh_offset, headers_[s.sh_link].sh_size);
      for (uint64_t i = 1; i < s.sh_size / sizeof(Elf64_Sym) && good(); ++i) symbol(symbolAt(s, i), names);
    }
  }
  void symbol(const Elf64_Sym& symbol, std::string_view names) {
    if (!good()) return;
    std::string called = name(names, symbol.st_name);
    bool global = ELF64_ST_BIND(symbol.st_info) != STB_LOCAL;
    if (symbol.st_shndx == SHN_UNDEF) return fail(fmt::format("undefined symbol '{}': a kernel calls nothing", escaped(called)));
    if (!global) return;
    auto section = index_.find(symbol.st_shndx);
    bool isEntry = section != index_.end() && out_.sections[section->second].code && ELF64_ST_TYPE(symbol.st_info) == STT_FUNC;
    if (!isEntry || !out_.symbol.empty()) return fail(fmt::format("global symbol '{}': a kernel has one, its function", escaped(called)));
    if (symbol.st_value >= out_.sections[section->second].bytes.size()) return fail("its function is outside .text");
    out_.symbol = called;
    out_.entrySection = section->second;
    out_.entryOffset = symbol.st_value;
  }

  std::string_view bytes_, names_;
  std::vector<Elf64_Shdr> headers_;
  std::map<uint64_t, size_t> index_;
  uint64_t loaded_ = 0;  ///< bytes of the sections taken so far
  ElfObject out_;
  std::string failed_;
};

uint32_t load32(const unsigned char* bytes) {
  uint32_t word = 0;
  std::memcpy(&word, bytes, 4);
  return word;
}

void store32(unsigned char* bytes, uint32_t word) { std::memcpy(bytes, &word, 4); }

/// The immediate of an AArch64 load or add: low 12 bits of the address, scaled by the access size.
Result<void> lowTwelve(unsigned char* bytes, uint64_t target, unsigned shift) {
  uint64_t low = target & 0xfff;
  if ((low & ((uint64_t{1} << shift) - 1)) != 0) return badInput("kernel object: a relocation's target is misaligned");
  store32(bytes, (load32(bytes) & ~(0xfffu << 10)) | static_cast<uint32_t>(low >> shift) << 10);
  return {};
}

Result<void> applyAArch64(uint32_t type, unsigned char* bytes, uint64_t place, uint64_t target) {
  switch (type) {
    case R_AARCH64_ADR_PREL_PG_HI21: {
      int64_t pages = (static_cast<int64_t>(target & ~uint64_t{0xfff}) - static_cast<int64_t>(place & ~uint64_t{0xfff})) >> 12;
      if (pages < -(1 << 20) || pages >= 1 << 20) return badInput("kernel object: a page distance does not fit");
      auto value = static_cast<uint32_t>(pages);
      store32(bytes, (load32(bytes) & ~((3u << 29) | (0x7ffffu << 5))) | (value & 3) << 29 | ((value >> 2) & 0x7ffff) << 5);
      return {};
    }
    case R_AARCH64_ADD_ABS_LO12_NC:
    case R_AARCH64_LDST8_ABS_LO12_NC: return lowTwelve(bytes, target, 0);
    case R_AARCH64_LDST16_ABS_LO12_NC: return lowTwelve(bytes, target, 1);
    case R_AARCH64_LDST32_ABS_LO12_NC: return lowTwelve(bytes, target, 2);
    case R_AARCH64_LDST64_ABS_LO12_NC: return lowTwelve(bytes, target, 3);
    case R_AARCH64_LDST128_ABS_LO12_NC: return lowTwelve(bytes, target, 4);
    default: return badInput(fmt::format("kernel object: relocation type {}", type));
  }
}

}  // namespace

Result<ElfObject> parseKernelObject(std::string_view bytes) {
  auto object = Parser(bytes).run();
  if (!object) return object;
  // Types are checked on a copy of the bytes, as if the object lay at the address of its own offsets.
  for (const ElfRelocation& r : object->relocations) {
    unsigned char scratch[4];
    std::memcpy(scratch, object->sections[r.section].bytes.data() + r.offset, 4);
    if (auto good = applyRelocation(r.type, object->machine, scratch, 4096, 4096); !good) return good.error();
  }
  return object;
}

Result<void> applyRelocation(uint32_t type, uint16_t machine, unsigned char* bytes, uint64_t place, uint64_t target) {
  if (machine == EM_AARCH64) return applyAArch64(type, bytes, place, target);
  if (type != R_X86_64_PC32 && type != R_X86_64_PLT32) return badInput(fmt::format("kernel object: relocation type {}", type));
  auto distance = static_cast<int64_t>(target - place);
  if (distance != static_cast<int32_t>(distance)) return badInput("kernel object: a distance does not fit in 32 bits");
  store32(bytes, static_cast<uint32_t>(distance));
  return {};
}

}  // namespace quern
