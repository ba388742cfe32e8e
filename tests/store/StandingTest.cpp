// tests/store/StandingTest.cpp — what of a kernel's key and provenance is another here, one field at a time: found, not found or refused,
// each with its reason.
#include "compiler/base/Files.h"
#include "compiler/base/Sha256.h"
#include "compiler/store/KernelCache.h"
#include "compiler/store/Standing.h"
#include "tests/store/StoreSupport.h"

#include <sys/stat.h>

using namespace quern;

namespace {

const char* const kOp = "matmul m=4 n=20 k=64 tb=1 const=b w=bf16";

/// A folder with one entry, or none.
struct Cache {
  explicit Cache(const KernelArtifact* entry) {
    if (entry != nullptr) REQUIRE(KernelCache({folder.path}).put(*entry));
  }
  /// Whether the op's kernel is found; else it is compiled, and kept.
  bool finds(const std::string& given, const Target& target = hostTarget(), const std::string& schedule = "") {
    KernelLibrary library(target, {folder.path});
    auto kernel = library.kernels(op(given), schedule);
    REQUIRE(kernel);
    CHECK(library.counts().cached + library.counts().compiled == 1);
    return library.counts().cached == 1;
  }
  size_t entries() const { return KernelCache({folder.path}).files().size(); }

  Folder folder;
};

/// What the code may use is in the key and in what is said of the kernel.
KernelArtifact needing(KernelArtifact artifact, const std::string& more) {
  artifact.key.contract += more;
  artifact.info.contract = artifact.key.contract;
  return artifact;
}

}  // namespace

TEST_CASE("each field of a key, and the CPU beside it, changed alone: the right outcome and its reason") {
  const KernelArtifact good = sampleKernel(kOp);
  Target host = hostTarget();
  int64_t fields = 0, wanted = 13;  // and what this machine can show
  auto standing = [&](const KernelArtifact& artifact) { return standingOf(artifact, host).text; };
  CHECK(standing(good) == "exact");
  CHECK(Cache(&good).finds(kOp));

  // The entry is another's: it stays, unused, and the op's own is made beside it.
  auto foreign = [&](const char* what, const std::string& says, const std::function<void(KernelArtifact&)>& change) {
    INFO(what);
    KernelArtifact other = good;
    change(other);
    Cache cache(&other);
    Warnings said;
    CHECK_FALSE(cache.finds(kOp));
    CHECK(cache.finds(kOp));
    CHECK(cache.entries() == 2);
    CHECK(said.count() == 0);
    CHECK(standing(other) == says);
    ++fields;
  };
  foreign("LLVM", "another LLVM's (18.1.8)", [](KernelArtifact& a) { a.key.llvm = "18.1.8"; });
  foreign("generator", "another generator's", [](KernelArtifact& a) { a.key.generator = "0123456789abcdef"; });
  foreign("calls", "another way of calling's", [](KernelArtifact& a) { a.key.abi = "0123456789abcdef"; });
  bool fp16 = host.lackingFor(*parseTarget("x level=x86-64 features=avx512fp16")).empty();
  if (!fp16) foreign("a feature", "refused: needs avx512fp16", [](KernelArtifact& a) { a = needing(a, " + avx512fp16"); });
  else --wanted;

  // The op is another: the entry of this one is not taken for it, and stays.
  auto asked = [&](const char* what, const char* other, const char* schedule = "") {
    INFO(what);
    Cache cache(&good);
    CHECK_FALSE(cache.finds(other, host, schedule));
    CHECK(cache.finds(other, host, schedule));
    CHECK(cache.finds(kOp));
    CHECK(cache.entries() == 2);
    ++fields;
  };
  asked("type of what is handed on", "matmul m=4 n=20 k=64 tb=1 const=b w=bf16 out=bf16");
  asked("type of the weight", "matmul m=4 n=20 k=64 tb=1 const=b w=f16");
  asked("layout", "matmul m=4 n=20 k=64 const=b w=bf16");
  asked("schedule", "matmul m=4 n=20 k=64 tb=1 const=b w=bf16", "mr=2 nr=16");
  asked("shape", "matmul m=4 n=21 k=64 tb=1 const=b w=bf16");

  {
    INFO("the CPU: found, and said to be made elsewhere");
    KernelArtifact other = good;
    Target made = host;
    made.model = "Some other CPU";
    other.provenance = text(made);
    CHECK(Cache(&other).finds(kOp));
    CHECK(standing(other) == "runs, tuned elsewhere (Some other CPU)");
    ++fields;
  }
  {
    INFO("features masked: a kernel of its own, and the wide one is refused there");
    Target narrow = runnableLevels().front();
    if (narrow.level == host.level) --wanted;
    else {
      Cache cache(&good);
      CHECK_FALSE(cache.finds(kOp, narrow));
      CHECK(cache.finds(kOp, narrow));
      CHECK(cache.finds(kOp));
      CHECK_THAT(standingOf(good, narrow).text, Catch::StartsWith("refused: needs "));
      ++fields;
    }
  }
  {
    INFO("AMX's permission: who has it may run the entry, who was refused it lacks the tiles");
    KernelArtifact tiles = needing(good, " + amx-int8 + amx-tile");
    Target granted = host, refused = host;
    auto isTile = [](const std::string& feature) { return feature.starts_with("amx-"); };
    std::erase_if(refused.features, isTile);
    granted.features = refused.features;
    granted.features.insert(granted.features.end(), {"amx-int8", "amx-tile"});
    std::sort(granted.features.begin(), granted.features.end());
    tiles.provenance = text(granted);
    CHECK(standingOf(tiles, granted).text == "exact");
    CHECK(standingOf(tiles, refused).text == "refused: needs amx-int8 amx-tile");
    ++fields;
  }
  {
    INFO("the form of the file: one warning, and rebuilt");
    Cache cache(&good);
    std::string path = KernelCache({cache.folder.path}).files().at(0).path, bytes = bytesOf(good);
    bytes.replace(0, bytes.find('\n'), "quern-kernel 2");
    bytes.resize(bytes.size() - kSha256Chars);
    REQUIRE(writeFileAtomically(path, bytes + *sha256(bytes)));
    REQUIRE(::chmod(path.c_str(), 0600) == 0);
    Warnings said;
    CHECK_FALSE(cache.finds(kOp));
    CHECK(cache.finds(kOp));
    CHECK(said.count() == 1);
    CHECK(cache.entries() == 1);
    ++fields;
  }
  CHECK(fields == wanted);
  CHECK(wanted >= 11);
}
