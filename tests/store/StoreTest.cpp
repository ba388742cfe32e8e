// tests/store/StoreTest.cpp — artifacts, the loader, the cache: what is damaged is a miss, never a crash.
#include "compiler/base/ElfObject.h"
#include "compiler/base/Files.h"
#include "compiler/store/KernelArtifact.h"
#include "compiler/store/KernelCache.h"
#include "tests/store/StoreSupport.h"
#include "tuner/check/KernelCheck.h"

#include <cstdlib>
#include <sys/stat.h>
#include <unistd.h>

using namespace quern;

namespace {

KernelArtifact sample(const char* given = "add a=*x8 b=8") { return sampleKernel(given); }

}  // namespace

TEST_CASE("artifacts go both ways and load without LLVM") {
  for (const char* given :
       {"add a=*x8 b=8", "gelu x=100", "matmul m=* n=20 k=9 const=b ep=bias", "softmax x=*x37", "matmul m=4 n=20 k=9 tb=1"}) {
    KernelArtifact artifact = sample(given);
    auto again = parseArtifact(bytesOf(artifact));
    REQUIRE(again);
    CHECK(bytesOf(*again) == bytesOf(artifact));
    auto kernel = loadArtifact(*again, "test");
    REQUIRE(kernel);
    OpDesc desc = op(given);
    DimValues dims;
    for (const std::string& name : runtimeDims(desc)) dims[name] = 13;
    auto report = checkKernel(*kernel, desc, dims, 1);
    REQUIRE(report);
    INFO(given << ": " << report->failure);
    CHECK(report->passed);
  }
}

TEST_CASE("the same program gives the same bytes") { CHECK(bytesOf(sample("softmax x=*x*")) == bytesOf(sample("softmax x=*x*"))); }

TEST_CASE("every truncation and every flipped byte of an object is an error or loads; never a crash") {
  std::string object = sample("gelu x=100").object;
  int refused = 0;
  for (size_t length = 0; length < object.size(); length += 5)
    if (!parseKernelObject(std::string_view(object).substr(0, length))) ++refused;
  for (size_t at = 0; at < object.size(); ++at)
    for (int bit : {0, 7}) {
      std::string damaged = object;
      damaged[at] = static_cast<char>(damaged[at] ^ (1 << bit));
      if (!parseKernelObject(damaged)) ++refused;
    }
  CHECK(refused > 100);
}

TEST_CASE("the cache keeps, finds, and treats what is damaged as a miss") {
  Folder folder;
  KernelCache cache({folder.path + "/deep/er"});
  KernelArtifact artifact = sample();
  CHECK_FALSE(cache.find(artifact.key).has_value());
  REQUIRE(cache.put(artifact));
  auto found = cache.find(artifact.key);
  REQUIRE(found.has_value());
  CHECK(bytesOf(*found) == bytesOf(artifact));
  struct stat info{};
  REQUIRE(::stat((folder.path + "/deep/er").c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0700);
  std::string path = cache.files().at(0).path;
  REQUIRE(writeFileAtomically(path, bytesOf(artifact).substr(0, 300)));
  CHECK_FALSE(cache.find(artifact.key).has_value());
  KernelKey other = artifact.key;
  other.contract = "x86-64-v9";
  CHECK(*hashOf(other) != *hashOf(artifact.key));
}

TEST_CASE("an entry under another's name is not used") {
  Folder folder;
  KernelCache cache({folder.path});
  KernelArtifact one = sample("add a=*x8 b=8"), two = sample("mul a=*x8 b=8");
  REQUIRE(cache.put(one));
  REQUIRE(writeFileAtomically(cache.files().at(0).path, bytesOf(two)));
  CHECK_FALSE(cache.find(one.key).has_value());
}

TEST_CASE("a directory that others can write to is not trusted") {
  Folder folder;
  std::string open = folder.path + "/open";
  REQUIRE(makeDirectories(open));
  REQUIRE(::chmod(open.c_str(), 0777) == 0);
  KernelArtifact artifact = sample();
  KernelCache cache({open});
  CHECK_FALSE(cache.put(artifact));
  CHECK_FALSE(cache.find(artifact.key));
}

TEST_CASE("export and import move entries; a damaged export changes nothing") {
  Folder folder;
  KernelCache from({folder.path + "/a"}), into({folder.path + "/b"});
  REQUIRE(from.put(sample("add a=*x8 b=8")));
  REQUIRE(from.put(sample("mul a=*x8 b=8")));
  auto written = from.exportTo(folder.path + "/all.qks");
  REQUIRE(written);
  CHECK(*written == 2);
  auto bytes = readFile(folder.path + "/all.qks");
  REQUIRE(bytes);
  REQUIRE(writeFileAtomically(folder.path + "/cut.qks", std::string_view(*bytes).substr(0, bytes->size() / 2)));
  CHECK_FALSE(into.importFrom(folder.path + "/cut.qks"));
  CHECK(into.files().empty());
  auto read = into.importFrom(folder.path + "/all.qks");
  REQUIRE(read);
  CHECK(into.files().size() == 2);
}
