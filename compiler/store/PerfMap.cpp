// compiler/store/PerfMap.cpp — see PerfMap.h.
#include "compiler/store/PerfMap.h"

#include "compiler/base/Descriptor.h"
#include "compiler/base/ElfObject.h"
#include "compiler/base/Log.h"
#include "compiler/base/Text.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <mutex>
#include <unistd.h>

namespace quern {

namespace {

bool wanted() {
  const char* value = std::getenv("QUERN_PERF_MAP");
  return value != nullptr && std::string_view(value) == "1";
}

/// The file of a process; a fork has its own.
class MapFile {
public:
  void line(const std::string& text) {
    std::lock_guard lock(guard_);
    if (owner_ != ::getpid()) open();
    if (file_ && ::write(file_.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) refuse("written to");
  }

private:
  void open() {
    owner_ = ::getpid();
    path_ = fmt::format("/tmp/perf-{}.map", owner_);
    ::unlink(path_.c_str());  // of an earlier process; another user's stays, and the next call fails
    file_ = Descriptor(::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!file_) refuse("made");
  }
  void refuse(const char* what) {
    logWarning(fmt::format("{}: cannot be {}: {}; profilers find no names of kernels", path_, what, std::strerror(errno)));
    file_ = Descriptor();
  }

  std::mutex guard_;
  pid_t owner_ = -1;
  std::string path_;
  Descriptor file_;
};

}  // namespace

void nameForPerf(const QuernKernel* entry, std::string_view object, const KernelInfo& info) {
  if (!wanted()) return;
  static MapFile file;
  auto parsed = parseKernelObject(object);
  if (!parsed) return;
  size_t bytes = parsed->sections[parsed->entrySection].bytes.size() - parsed->entryOffset;
  file.line(fmt::format("{:x} {:x} quern {}\n", reinterpret_cast<uintptr_t>(entry), bytes, escaped(info.op + " | " + info.schedule)));
}

}  // namespace quern
