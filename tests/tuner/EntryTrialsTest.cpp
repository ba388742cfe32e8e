// tests/tuner/EntryTrialsTest.cpp — kernels of a cache run again: right, wrong, deadly, of another program.
#include "tests/store/StoreSupport.h"
#include "tuner/check/Certify.h"
#include "tuner/worker/EntryTrials.h"

#include <cstring>
#include <elf.h>

using namespace quern;

namespace {

EntryVerdict verdictOf(const KernelArtifact& artifact) {
  EntryTrials trials;
  auto verdict = trials.check(artifact, {});
  REQUIRE(verdict);
  return *verdict;
}

/// These bytes where the code begins.
KernelArtifact beginningWith(KernelArtifact artifact, std::string_view code) {
  Elf64_Ehdr header;
  std::memcpy(&header, artifact.object.data(), sizeof header);
  for (uint64_t i = 0; i < header.e_shnum; ++i) {
    Elf64_Shdr section;
    std::memcpy(&section, artifact.object.data() + header.e_shoff + i * sizeof section, sizeof section);
    if ((section.sh_flags & SHF_EXECINSTR) != 0) artifact.object.replace(section.sh_offset, code.size(), code);
  }
  return artifact;
}

}  // namespace

TEST_CASE("an entry is run again at odd sizes, and where its certificate says that it was") {
  KernelArtifact artifact = sampleKernel("softmax x=*x37");
  EntryVerdict verdict = verdictOf(artifact);
  CHECK(verdict.outcome == EntryVerdict::Right);
  int64_t without = verdict.report.cases;
  OpDesc desc = op(artifact.key.op);
  CHECK(without > 9);
  artifact.certificate = {9, 0.5, "winner", certifiedText(desc, {{runtimeDims(desc).at(0), 5}}, 9) + "; zero-mean unit"};
  verdict = verdictOf(artifact);
  CHECK(verdict.outcome == EntryVerdict::Right);
  CHECK(verdict.report.cases == without + 9);  // on each kind of data
  CHECK(verdict.report.worst > 0);
  CHECK(verdict.report.worst <= 1);
}

TEST_CASE("sizes of a certificate are read back; what is none is left out") {
  OpDesc two = op("attention heads=1 kv_heads=1 head_dim=8 q=* kv=*"), none = op("gelu x=100");
  DimValues a{{"q", 3}, {"kv", 33}}, b{{"q", 0}, {"kv", 1}};
  std::string both = certifiedText(two, a, 9) + ", " + certifiedText(two, b, 4) + "; unit specials";
  CHECK(certifiedSizes(two, both) == std::vector<DimValues>{a, b});
  CHECK(certifiedSizes(none, certifiedText(none, {}, 9)) == std::vector<DimValues>{{}});
  for (const char* odd : {"", "q=3: 9 runs", "q=3 kv=-1: 9 runs", "q=x kv=2: 1 runs", "q=3 kv=3", "q=3 kv=3 m=1: 9 runs", ", ;:"})
    CHECK(certifiedSizes(two, odd).empty());
}

TEST_CASE("what there is no memory for is not run, and a CPU that cannot be read is this one") {
  KernelArtifact huge = sampleKernel("gelu x=100000000000");
  EntryVerdict verdict = verdictOf(huge);
  CHECK(verdict.outcome == EntryVerdict::NotRun);
  CHECK_THAT(verdict.why, Catch::Contains("more than there is"));
  KernelArtifact nowhere = sampleKernel("add a=*x8 b=8");
  nowhere.provenance = "garbage";
  CHECK(verdictOf(nowhere).outcome == EntryVerdict::Right);
}

TEST_CASE("code under a right hash that computes something else, dies, or is another program's") {
  KernelArtifact good = sampleKernel("add a=*x8 b=8"), other = sampleKernel("sub a=*x8 b=8");
  KernelArtifact wrong = good;
  wrong.object = other.object;
  EntryVerdict verdict = verdictOf(wrong);
  CHECK(verdict.outcome == EntryVerdict::Wrong);
  CHECK_THAT(verdict.why, Catch::Contains("is right"));
  // Nothing at all, verified where there is nothing to compute.
  KernelArtifact idle = beginningWith(good, "\xc3");
  idle.certificate = {2, 0, "winner", certifiedText(op(good.key.op), {{runtimeDims(op(good.key.op)).at(0), 0}}, 2)};
  CHECK(verdictOf(idle).outcome == EntryVerdict::Wrong);
  verdict = verdictOf(beginningWith(good, "\x0f\x0b"));
  CHECK(verdict.outcome == EntryVerdict::Wrong);
  CHECK_THAT(verdict.why, Catch::Contains("SIGILL"));
  verdict = verdictOf(beginningWith(good, std::string_view("\x31\xc0\x89\x00", 4)));  // eax = 0; [rax] = eax
  CHECK(verdict.outcome == EntryVerdict::Wrong);
  CHECK_THAT(verdict.why, Catch::Contains("SIGSEGV"));
  other.key.generator = "0123456789abcdef";
  verdict = verdictOf(other);
  CHECK(verdict.outcome == EntryVerdict::NotRun);
  CHECK(verdict.why == "another generator's");
  KernelArtifact lying = good;
  lying.info.op = "mul a=*x8 b=8";
  verdict = verdictOf(lying);
  CHECK(verdict.outcome == EntryVerdict::Wrong);
}
