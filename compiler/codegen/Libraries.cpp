// compiler/codegen/Libraries.cpp — see Libraries.h.
#include "compiler/codegen/Libraries.h"

#include "compiler/base/Files.h"
#include "compiler/base/Text.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fmt/format.h>
#include <lld/Common/CommonLinkerContext.h>
#include <lld/Common/Driver.h>
#include <llvm/Object/ArchiveWriter.h>
#include <unistd.h>

LLD_HAS_DRIVER(elf)

namespace quern {

Result<std::string> staticLibrary(const std::vector<NamedObject>& objects) {
  std::vector<llvm::NewArchiveMember> members;
  for (const NamedObject& object : objects) members.emplace_back(llvm::MemoryBufferRef(object.bytes, object.name));
  auto buffer = llvm::writeArchiveToBuffer(members, llvm::SymtabWritingMode::NormalSymtab, llvm::object::Archive::K_GNU, true, false);
  if (!buffer) return internalError("LLVM: " + llvm::toString(buffer.takeError()));
  return (*buffer)->getBuffer().str();
}

namespace {

/// A folder that is gone, with its files, when this goes.
class TemporaryFolder {
public:
  TemporaryFolder() {
    const char* given = std::getenv("TMPDIR");
    bool named = given != nullptr && *given != 0;
    std::string base = named ? given : "/tmp";
    path_ = base + "/quern-XXXXXX";
    if (::mkdtemp(path_.data()) != nullptr) return;
    failed_ =
        fmt::format("{}{}: cannot make a temporary folder for linking: {}", named ? "TMPDIR=" : "", escaped(base), std::strerror(errno));
    path_.clear();
  }
  ~TemporaryFolder() {
    if (path_.empty()) return;
    for (const std::string& name : listDirectory(path_)) ::unlink((path_ + "/" + name).c_str());
    ::rmdir(path_.c_str());
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::string& path() const { return path_; }
  const std::string& failed() const { return failed_; }

private:
  std::string path_, failed_;
};

}  // namespace

Result<std::string> sharedLibrary(const std::vector<NamedObject>& objects, const std::string& soname) {
  TemporaryFolder folder;
  if (folder.path().empty()) return machineLacks(folder.failed());
  std::string out = folder.path() + "/out.so";
  std::vector<std::string> words = {"ld.lld", "-shared", "--threads=1",      "--build-id=none", "-z",   "noexecstack",
                                    "-z",     "relro",   "--hash-style=gnu", "-soname",         soname, "-o",
                                    out};
  for (size_t i = 0; i < objects.size(); ++i) {
    std::string path = fmt::format("{}/{:05}.o", folder.path(), i);
    if (auto good = writeFileAtomically(path, objects[i].bytes); !good) return good.error();
    words.push_back(path);
  }
  std::vector<const char*> arguments;
  for (const std::string& word : words) arguments.push_back(word.c_str());
  std::string said;
  llvm::raw_string_ostream stream(said);
  bool linked = lld::elf::link(arguments, stream, stream, false, false);
  lld::CommonLinkerContext::destroy();  // or the next link remembers this one's architecture
  if (!linked)
    return machineLacks(fmt::format("{}: cannot link: {}", soname, trim(said)));  // objects and words are ours: what fails is a write
  return readFile(out);
}

}  // namespace quern
