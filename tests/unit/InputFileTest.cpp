// tests/unit/InputFileTest.cpp — what may be opened as an input, and writing where something else lies.
#include "compiler/base/Files.h"
#include "compiler/base/Sha256.h"
#include "tests/Support.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace quern;

TEST_CASE("own descriptors are known by their names") {
  CHECK(namedDescriptor("/dev/stdin") == 0);
  CHECK(namedDescriptor("/dev/stdout") == 1);
  CHECK(namedDescriptor("/dev/fd/7") == 7);
  CHECK(namedDescriptor("/proc/self/fd/12") == 12);
  for (const char* other : {"/dev/fd/", "/dev/fd/x", "/dev/fd/-1", "/dev/fd/99999999999", "/dev/fd/3/x", "/dev/null", "stdin"})
    CHECK_FALSE(namedDescriptor(other));
}

TEST_CASE("an open pipe is read to its end; a file no further than its limit") {
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  REQUIRE(::write(ends[1], "hello", 5) == 5);
  ::close(ends[1]);
  std::string name = "/dev/fd/" + std::to_string(ends[0]);
  CHECK(*readFile(name) == "hello");
  ::close(ends[0]);
  Folder folder;
  REQUIRE(writeFileAtomically(folder.path + "/f", "hello"));
  CHECK(*readFile(folder.path + "/f", 5) == "hello");
  CHECK_FALSE(readFile(folder.path + "/f", 4));
  CHECK(openInput(folder.path + "/f")->bytes == 5);
  CHECK(*readFile("/proc/self/comm") != "");  // of /proc, whose sizes are 0
}

TEST_CASE("a device behind a descriptor is no stream, but for the one that is empty") {
  for (auto [device, good] : {std::pair{"/dev/zero", false}, {"/dev/null", true}}) {
    Descriptor file(::open(device, O_RDONLY | O_CLOEXEC));
    auto text = readFile("/dev/fd/" + std::to_string(file.get()), 100);
    CHECK(static_cast<bool>(text) == good);
  }
}

TEST_CASE("files are written with the mode that the umask leaves, and nothing is left of one that cannot be") {
  Folder folder;
  mode_t before = ::umask(027);
  REQUIRE(writeFileAtomically(folder.path + "/f", "x"));
  ::umask(before);
  struct stat info{};
  REQUIRE(::stat((folder.path + "/f").c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0640);
  REQUIRE(::mkdir((folder.path + "/d").c_str(), 0700) == 0);
  CHECK_FALSE(writeFileAtomically(folder.path + "/d", "x"));
  CHECK(listDirectory(folder.path) == std::vector<std::string>{"d", "f"});
}

TEST_CASE("SHA-256 of known texts") {
  CHECK(*sha256("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(*sha256("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}
