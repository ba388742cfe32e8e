// tests/store/TrustTest.cpp — whatever lies in and above the cache: nothing of others is mapped, nothing hangs, one warning, a kernel.
#include "compiler/base/Files.h"
#include "compiler/store/KernelCache.h"
#include "tests/store/StoreSupport.h"

#include <csignal>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace quern;

namespace {

/// A shell line that makes the object, with the cache's folder in $T, $T/kernels in $K, the entry in $E, room for more in $R.
struct Kind {
  const char* name;
  const char* make;
  bool root = false;  ///< needs root
};

const Kind kEntries[] = {
    {"pipe", "rm $E; mkfifo $E"},
    {"directory", "rm $E; mkdir $E"},
    {"full directory", "rm $E; mkdir $E; echo x > $E/x"},
    {"link to a good entry", "mv $E $R/e; ln -s $R/e $E"},
    {"link beside itself", "mv $E $K/e; ln -s e $E"},
    {"dangling link", "rm $E; ln -s $R/none $E"},
    {"link to itself", "rm $E; ln -s $E $E"},
    {"link to a directory", "rm $E; ln -s $R $E"},
    {"link to /dev/zero", "rm $E; ln -s /dev/zero $E"},
    {"link to a pipe", "rm $E; mkfifo $R/p; ln -s $R/p $E"},
    {"two names", "ln $E $R/e"},
    {"socket", "rm $E; python3 -c \"import os, socket; os.chdir('$K'); socket.socket(socket.AF_UNIX).bind(os.path.basename('$E'))\""},
    {"mode 0664", "chmod 664 $E"},
    {"mode 0666", "chmod 666 $E"},
    {"mode 0620", "chmod 620 $E"},
    {"mode 0602", "chmod 602 $E"},
    {"mode 4755", "chmod 4755 $E"},
    {"mode 2711", "chmod 2711 $E"},
    {"mode 1644", "chmod 1644 $E"},
    {"empty", "truncate -s 0 $E"},
    {"cut short", "truncate -s 100 $E"},
    {"longer", "echo x >> $E"},
    {"twice, one behind the other", "cat $E $E > $R/e; cat $R/e > $E"},
    {"zeros", "head -c 4096 /dev/zero > $E"},
    {"a terabyte of nothing", "truncate -s 1T $E"},
    {"text", "echo hello > $E"},
    {"magic alone", "printf 'quern-kernel 1\\n' > $E"},
    {"format 2", "sed -i '1s/1/2/' $E"},
    {"one letter changed", "sed -i 's/provenance/provenancf/' $E"},
    {"of another user", "chown 1234 $E", true},
    {"device", "rm $E; mknod $E c 1 5", true},
    {"block device", "rm $E; mknod $E b 7 200", true},
};

const Kind kFolders[] = {
    {"kernels mode 0777", "chmod 777 $K"},
    {"kernels mode 1777", "chmod 1777 $K"},
    {"kernels mode 0775", "chmod 775 $K"},
    {"kernels mode 0770", "chmod 770 $K"},
    {"kernels mode 0707", "chmod 707 $K"},
    {"kernels is a link", "mv $K $R/k; ln -s $R/k $K"},
    {"kernels is a dangling link", "rm -r $K; ln -s $R/none $K"},
    {"kernels is a link to itself", "rm -r $K; ln -s $K $K"},
    {"kernels is a file", "rm -r $K; echo x > $K"},
    {"kernels is a pipe", "rm -r $K; mkfifo $K"},
    {"kernels of another user", "chown 1234 $K", true},
    {"kernels is a device", "rm -r $K; mknod $K c 1 5", true},
    {"cache mode 0777", "chmod 777 $T"},
    {"cache mode 0775", "chmod 775 $T"},
    {"cache mode 1777", "chmod 1777 $T"},
    {"cache is a link", "mv $T $R/t; ln -s $R/t $T"},
    {"cache is a dangling link", "rm -r $T; ln -s $R/none $T"},
    {"cache is a link to itself", "rm -r $T; ln -s $T $T"},
    {"cache is a file", "rm -r $T; echo x > $T"},
    {"cache is a pipe", "rm -r $T; mkfifo $T"},
    {"cache of another user", "chown 1234 $T", true},
    {"above is a file", "rm -r $T ${T%/*}; echo x > ${T%/*}"},
    {"above is a pipe", "rm -r $T ${T%/*}; mkfifo ${T%/*}"},
    {"above is a link to itself", "rm -r $T ${T%/*}; ln -s ${T%/*} ${T%/*}"},
};

const Kind kRecords[] = {
    {"records.txt is a pipe", "mkfifo $T/records.txt"},
    {"records.txt is a directory", "mkdir $T/records.txt"},
    {"records.txt is a link", "echo > $R/r; ln -s $R/r $T/records.txt"},
    {"records.txt may be written by others", "echo > $T/records.txt; chmod 666 $T/records.txt"},
    {"records.txt has two names", "echo > $T/records.txt; ln $T/records.txt $R/r"},
    {"records.txt has a terabyte", "truncate -s 1T $T/records.txt; chmod 600 $T/records.txt"},
    {"records.txt is one long line", "head -c 3000000 /dev/zero > $T/records.txt; chmod 600 $T/records.txt"},
    {"records.txt of another user", "echo > $T/records.txt; chmod 600 $T/records.txt; chown 1234 $T/records.txt", true},
    {"records.txt is a device", "mknod $T/records.txt c 1 5", true},
};

/// A cache with one entry, in the folder's a/t.
struct Cache {
  Folder folder;
  std::string top = folder.path + "/a/t", entry;
  OpDesc desc = op("add a=*x8 b=8");

  KernelRef kernel() {
    KernelLibrary library(hostTarget(), {top});
    auto kernel = library.get(desc, defaultSchedule(desc, library.target()));
    REQUIRE(kernel);
    return *kernel;
  }
  Cache() {
    REQUIRE(::mkdir((folder.path + "/r").c_str(), 0700) == 0);
    REQUIRE(kernel()->origin == "compiled");
    entry = KernelCache({top}).files().at(0).path;
  }
  void make(const Kind& kind) const {
    std::string line = fmt::format("T={0}; K={0}/kernels; E={1}; R={2}/r; {3}", top, entry, folder.path, kind.make);
    REQUIRE(std::system(line.c_str()) == 0);
  }
};

void expectOneWarning(const Kind& kind, const char* origin) {
  if (kind.root && ::geteuid() != 0) return;
  INFO(kind.name);
  Cache cache;
  CHECK(cache.kernel()->origin == "cache");
  cache.make(kind);
  Warnings said;
  std::string from = cache.kernel()->origin;
  INFO(said.text());
  CHECK(from == origin);
  CHECK(said.count() == 1);
}

}  // namespace

TEST_CASE("odd entries are misses with one warning") {
  for (const Kind& kind : kEntries) expectOneWarning(kind, "compiled");
}

TEST_CASE("nothing is taken from odd folders in and above the cache") {
  for (const Kind& kind : kFolders) expectOneWarning(kind, "compiled");
}

TEST_CASE("odd records are set aside") {
  for (const Kind& kind : kRecords) expectOneWarning(kind, "cache");
}

TEST_CASE("an odd entry is put right; listing and exporting judge as running does") {
  Cache cache;
  cache.make({"", "chmod 666 $E"});
  Warnings said;
  CHECK_FALSE(KernelCache({cache.top}).files().at(0).artifact);
  CHECK(*KernelCache({cache.top}).exportTo(cache.folder.path + "/all.qks") == 0);
  CHECK(cache.kernel()->origin == "compiled");
  CHECK(cache.kernel()->origin == "cache");
  CHECK(KernelCache({cache.top}).files().at(0).artifact);
  cache.make({"", "chmod 777 $K"});
  auto listed = KernelCache({cache.top}).files();
  REQUIRE(listed.size() == 1);
  CHECK_FALSE(listed[0].artifact);
}

TEST_CASE("entries are 0600 and folders 0700 whatever the umask") {
  for (mode_t mask : {mode_t{0}, mode_t{002}, mode_t{0777}}) {
    mode_t before = ::umask(mask);
    Folder folder;
    ::chmod(folder.path.c_str(), 0700);
    KernelCache cache({folder.path + "/x/y"});
    bool put = static_cast<bool>(cache.put(sampleKernel()));
    TuningDb db = TuningDb::open({folder.path + "/x/y"});
    bool added = static_cast<bool>(db.add({TuningRecord::Kind::Pinned, "add a=*x8 b=8", "c", "s", 1, 0, 0, "-", "2026-01-01T00:00:00Z"}));
    ::umask(before);
    REQUIRE(put);
    REQUIRE(added);
    auto modeOf = [&](const std::string& path) {
      struct stat info{};
      REQUIRE(::stat(path.c_str(), &info) == 0);
      return info.st_mode & 07777;
    };
    CHECK(modeOf(folder.path + "/x") == 0700);
    CHECK(modeOf(folder.path + "/x/y/kernels") == 0700);
    CHECK(modeOf(folder.path + "/x/y/records.txt") == 0600);
    CHECK(modeOf(cache.files().at(0).path) == 0600);
  }
}

TEST_CASE("a swap while an entry is judged and read changes nothing") {
  // Another process puts its own code (of mul, under a right hash, in a file and a folder that others may write) in the place of ours and
  // back, all the time.
  Folder folder;
  std::string top = folder.path + "/t", kernels = top + "/kernels";
  KernelArtifact ours = sampleKernel(), theirs = sampleKernel("mul a=*x8 b=8");
  theirs.key = ours.key;
  KernelCache cache({top});
  REQUIRE(cache.put(ours));
  std::string entry = cache.files().at(0).path, name = entry.substr(entry.rfind('/'));
  for (const char* made : {"/good", "/evil"}) REQUIRE(::mkdir((folder.path + made).c_str(), 0700) == 0);
  REQUIRE(writeFileAtomically(folder.path + "/evil" + name, bytesOf(theirs)));
  REQUIRE(writeFileAtomically(folder.path + "/foreign", bytesOf(theirs)));
  REQUIRE(::chmod((folder.path + "/foreign").c_str(), 0666) == 0);
  REQUIRE(::chmod((folder.path + "/evil").c_str(), 0777) == 0);
  pid_t swapper = ::fork();
  if (swapper == 0) {
    while (true) {
      ::renameat2(AT_FDCWD, entry.c_str(), AT_FDCWD, (folder.path + "/foreign").c_str(), RENAME_EXCHANGE);
      ::renameat2(AT_FDCWD, entry.c_str(), AT_FDCWD, (folder.path + "/foreign").c_str(), RENAME_EXCHANGE);
      ::renameat2(AT_FDCWD, kernels.c_str(), AT_FDCWD, (folder.path + "/evil").c_str(), RENAME_EXCHANGE);
      ::renameat2(AT_FDCWD, kernels.c_str(), AT_FDCWD, (folder.path + "/evil").c_str(), RENAME_EXCHANGE);
    }
  }
  int foreign = 0, found = 0, refused = 0;
  {
    Warnings said;
    const int least = deepTest() ? 10'000 : 500, most = 400 * least;  // until the other process had its turn
    for (int attempt = 0; attempt < least || ((found == 0 || refused == 0) && attempt < most); ++attempt) {
      auto got = KernelCache({top}).find(ours.key);
      ++(got ? found : refused);
      if (got && got->object != ours.object) ++foreign;
    }
  }
  ::kill(swapper, SIGKILL);
  ::waitpid(swapper, nullptr, 0);
  INFO(found << " found, " << refused << " refused");
  CHECK(foreign == 0);
  CHECK(found > 0);
  CHECK(refused > 0);
}

TEST_CASE("an empty element of a list of caches is none") {
  CHECK(cacheDirectories(":/a::/b:/a:") == std::vector<std::string>{"/a", "/b"});
  ::setenv("QUERN_CACHE_DIR", ":/shared", 1);
  CHECK(cacheDirectories("") == std::vector<std::string>{"/shared"});
  ::setenv("QUERN_CACHE_DIR", ":", 1);
  ::setenv("XDG_CACHE_HOME", "/x", 1);
  CHECK(cacheDirectories("") == std::vector<std::string>{"/x/quern"});
  ::unsetenv("QUERN_CACHE_DIR");
  ::unsetenv("XDG_CACHE_HOME");
}
