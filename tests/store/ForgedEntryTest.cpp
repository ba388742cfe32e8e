// tests/store/ForgedEntryTest.cpp — entries with a right hash and wrong contents: a miss with one warning, rebuilt, never a crash.
#include "compiler/base/ElfObject.h"
#include "compiler/base/Files.h"
#include "compiler/base/Sha256.h"
#include "compiler/store/KernelCache.h"
#include "tests/store/StoreSupport.h"

#include <cstring>
#include <elf.h>
#include <functional>
#include <limits>
#include <sys/stat.h>

using namespace quern;

namespace {

const char* const kOp = "softmax x=*x37";

/// Puts `forged` where the kernel of `kOp` is looked for, and asks for that kernel.
void expectRebuilt(const std::string& what, const std::string& forged) {
  INFO(what);
  Folder folder;
  OpDesc desc = op(kOp);
  REQUIRE(KernelLibrary(hostTarget(), {folder.path}).kernels(desc));
  std::string entry = KernelCache({folder.path}).files().at(0).path;
  REQUIRE(writeFileAtomically(entry, forged));
  REQUIRE(::chmod(entry.c_str(), 0600) == 0);
  Warnings said;
  auto kernel = KernelLibrary(hostTarget(), {folder.path}).kernels(desc);
  auto again = KernelLibrary(hostTarget(), {folder.path}).kernels(desc);
  INFO(said.text());
  REQUIRE(kernel);
  CHECK(kernel->wide->origin == "compiled");
  CHECK(said.count() == 1);
  CHECK(said.text().find(entry.substr(entry.rfind('/'))) != std::string::npos);
  REQUIRE(again);
  CHECK(again->wide->origin == "cache");
}

std::string withHash(std::string bytes) {
  bytes.resize(bytes.size() - kSha256Chars);
  return bytes + *sha256(bytes);
}

template <class T>
T at(const std::string& bytes, uint64_t offset) {
  T value{};
  std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}
template <class T>
void put(std::string& bytes, uint64_t offset, const T& value) {
  std::memcpy(bytes.data() + offset, &value, sizeof value);
}

/// Calls `change` for every section header of the object, which may change the object through it.
void forSections(std::string& object, const std::function<void(uint64_t headerAt, Elf64_Shdr header)>& change) {
  auto header = at<Elf64_Ehdr>(object, 0);
  for (uint64_t i = 0; i < header.e_shnum; ++i) {
    uint64_t place = header.e_shoff + i * sizeof(Elf64_Shdr);
    change(place, at<Elf64_Shdr>(object, place));
  }
}

KernelArtifact withObject(KernelArtifact artifact, const std::function<void(std::string& object)>& change) {
  change(artifact.object);
  return artifact;
}

/// Every relocation of the object, changed.
void forRelocations(std::string& object, const std::function<void(Elf64_Rela&)>& change) {
  forSections(object, [&](uint64_t, Elf64_Shdr section) {
    if (section.sh_type != SHT_RELA) return;
    for (uint64_t place = section.sh_offset; place < section.sh_offset + section.sh_size; place += sizeof(Elf64_Rela)) {
      auto relocation = at<Elf64_Rela>(object, place);
      change(relocation);
      put(object, place, relocation);
    }
  });
}

}  // namespace

TEST_CASE("forged objects are rebuilt") {
  KernelArtifact good = sampleKernel(kOp);
  auto forged = [&](const char* what, const std::function<void(std::string&)>& change) {
    KernelArtifact bad = withObject(good, change);
    REQUIRE(bad.object != good.object);
    expectRebuilt(what, bytesOf(bad));
  };
  for (int64_t addend : {int64_t{1} << 62, INT64_MIN, INT64_MAX, int64_t{1} << 31, int64_t{-4096}, int64_t{100'000}})
    forged("addend", [&](std::string& o) { forRelocations(o, [&](Elf64_Rela& r) { r.r_addend = addend; }); });
  forged("offset", [](std::string& o) { forRelocations(o, [](Elf64_Rela& r) { r.r_offset = UINT64_MAX - 1; }); });
  forged("type", [](std::string& o) { forRelocations(o, [](Elf64_Rela& r) { r.r_info = ELF64_R_INFO(ELF64_R_SYM(r.r_info), 1); }); });
  forged("symbol",
         [](std::string& o) { forRelocations(o, [](Elf64_Rela& r) { r.r_info = ELF64_R_INFO(0xffff, ELF64_R_TYPE(r.r_info)); }); });
  forged("machine", [](std::string& o) { put<uint16_t>(o, offsetof(Elf64_Ehdr, e_machine), EM_AARCH64); });
  forged("sections writable", [](std::string& o) {
    forSections(o, [&](uint64_t place, Elf64_Shdr s) {
      s.sh_flags |= (s.sh_flags & SHF_ALLOC) != 0 ? SHF_WRITE : 0;
      put(o, place, s);
    });
  });
  forged("sections compressed", [](std::string& o) {
    forSections(o, [&](uint64_t place, Elf64_Shdr s) {
      s.sh_flags |= (s.sh_flags & SHF_ALLOC) != 0 ? SHF_COMPRESSED : 0;
      put(o, place, s);
    });
  });
  forged("sections as large as the file", [](std::string& o) {
    forSections(o, [&](uint64_t place, Elf64_Shdr s) {
      if ((s.sh_flags & SHF_ALLOC) != 0) s.sh_offset = 0, s.sh_size = o.size();
      put(o, place, s);
    });
  });
  forged("sections aligned to 2^40", [](std::string& o) {
    forSections(o, [&](uint64_t place, Elf64_Shdr s) {
      s.sh_addralign = uint64_t{1} << 40;
      put(o, place, s);
    });
  });
  forged("no sections", [](std::string& o) { put<uint16_t>(o, offsetof(Elf64_Ehdr, e_shnum), 0); });
  forged("cut", [](std::string& o) { o.resize(o.size() / 2); });
  forged("empty", [](std::string& o) { o.clear(); });
}

TEST_CASE("every byte of an object changed, with a right hash: parsed or refused, loaded or refused, never a crash") {
  KernelArtifact good = sampleKernel(kOp);
  size_t step = deepTest() ? 1 : 5;
  int loaded = 0, refused = 0;
  for (size_t place = 0; place < good.object.size(); place += step)
    for (unsigned flip : {0x01u, 0x80u, 0xffu}) {
      KernelArtifact bad =
          withObject(good, [&](std::string& o) { o[place] = static_cast<char>(static_cast<unsigned char>(o[place]) ^ flip); });
      auto artifact = parseArtifact(bytesOf(bad));
      ++(artifact && loadArtifact(*artifact, "test") ? loaded : refused);
    }
  CHECK(refused > 50);
  CHECK(loaded > 50);  // code and constants are what they are: only the hash knows
}

TEST_CASE("what an entry says of its arguments is not believed") {
  KernelArtifact good = sampleKernel(kOp);
  auto forged = [&](const char* what, const std::function<void(KernelInfo&)>& change) {
    KernelArtifact bad = good;
    change(bad.info);
    REQUIRE(bad.info != good.info);
    expectRebuilt(what, bytesOf(bad));
  };
  auto formula = [&](const char* given) { return *Formula::parse(given, good.info.dims); };
  forged("more tasks", [&](KernelInfo& i) { i.phases[0] = Formula(int64_t{1} << 40); });
  forged("no tasks", [&](KernelInfo& i) { i.phases[0] = Formula(0); });
  forged("negative scratch", [&](KernelInfo& i) { i.threadScratchBytes = formula("0 - 4096"); });
  forged("scratch that overflows", [&](KernelInfo& i) { i.sharedScratchBytes = formula("0 - 9223372036854775807 - 9223372036854775807"); });
  forged("scratch of nothing", [&](KernelInfo& i) { i.sharedScratchBytes = formula("1 / 0"); });
  forged("another phase", [&](KernelInfo& i) { i.phases.push_back(i.phases[0]); });
  forged("fewer arguments", [](KernelInfo& i) { i.buffers.pop_back(); });
  forged("more dimensions", [](KernelInfo& i) { i.dims.push_back("extra"); });
  forged("more strides", [](KernelInfo& i) { i.buffers[0].strides = 7; });
  forged("another type", [](KernelInfo& i) { i.buffers[0].type = ElementType::F16; });
  forged("another order", [](KernelInfo& i) { i.order = "split:4"; });
  std::string bytes = bytesOf(good);
  size_t place = bytes.find("\nphase ");
  REQUIRE(place != std::string::npos);
  std::string text = bytes;
  text.replace(place + 1, 5, "phosa");
  expectRebuilt("a line nobody knows", withHash(text));
}

TEST_CASE("fields that contradict the file are refused") {
  std::string bytes = bytesOf(sampleKernel(kOp));
  for (const char* field :
       {"op ", "schedule ", "contract ", "generator ", "llvm ", "abi ", "info ", "certificate ", "provenance ", "tuning ", "object "}) {
    size_t place = bytes.find(std::string("\n") + field);
    REQUIRE(place != std::string::npos);
    place += 1 + std::strlen(field);
    size_t end = bytes.find('\n', place);
    for (const char* length : {"-1", "0", "99999999999", "18446744073709551615", "9223372036854775807", "x", ""}) {
      if (bytes.substr(place, end - place) == length) continue;
      std::string bad = bytes;
      bad.replace(place, end - place, length);
      INFO(field << length);
      CHECK_FALSE(parseArtifact(withHash(bad)));
    }
  }
}

TEST_CASE("every byte of an entry flipped, and every length it can be cut to") {
  std::string bytes = bytesOf(sampleKernel());
  for (size_t length = 0; length < bytes.size(); ++length) REQUIRE_FALSE(parseArtifact(std::string_view(bytes).substr(0, length)));
  for (size_t place = 0; place < bytes.size(); ++place)
    for (unsigned bit = 0; bit < 8; bit += deepTest() ? 1 : 4) {
      std::string damaged = bytes;
      damaged[place] = static_cast<char>(static_cast<unsigned char>(damaged[place]) ^ (1u << bit));
      REQUIRE_FALSE(parseArtifact(damaged));
    }
}

TEST_CASE("a certificate says what was verified, in one line of an entry") {
  KernelArtifact artifact = sampleKernel();
  artifact.certificate = {12, 0.25, "few rows", "m=1 m=\"7\"\nx"};
  auto again = parseArtifact(bytesOf(artifact));
  REQUIRE(again);
  CHECK(again->certificate == Certificate{12, 0.25, "few rows", "m=1 m='7'\\x0ax"});
  for (double worst : {1.5, -1.0, std::numeric_limits<double>::infinity(), std::numeric_limits<double>::quiet_NaN()}) {
    artifact.certificate.worstOverLimit = worst;
    CHECK_FALSE(parseArtifact(bytesOf(artifact)));
  }
}
