// compiler/store/PerfFiles.cpp — see PerfFiles.h.
#include "compiler/store/PerfFiles.h"

#include "compiler/base/Descriptor.h"
#include "compiler/base/Log.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <elf.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <mutex>
#include <string_view>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace quern {

namespace {

bool wanted() {
  const char* value = std::getenv("QUERN_PERF_MAP");
  return value != nullptr && std::string_view(value) == "1";
}

/// A file of this process in /tmp.
class OwnFile {
public:
  void open(std::string path) {
    path_ = std::move(path);
    ::unlink(path_.c_str());  // of an earlier process; another user's stays, and the next call fails
    file_ = Descriptor(::open(path_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!file_) refuse("made");
  }
  void write(std::string_view bytes) {
    if (file_ && ::write(file_.get(), bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) refuse("written to");
  }
  int get() const { return file_.get(); }

private:
  void refuse(const char* what) {
    logWarning(fmt::format("{}: cannot be {}: {}; profilers find no names of kernels", path_, what, std::strerror(errno)));
    file_ = Descriptor();
  }

  std::string path_;
  Descriptor file_;
};

uint64_t monotonicNs() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

// jitdump, version 1.
struct DumpHead {
  uint32_t magic = 0x4A695444, version = 1, bytes = sizeof(DumpHead), machine = 0, padding = 0, pid = 0;
  uint64_t timestamp = 0, flags = 0;
};
struct DumpLoad {
  uint32_t id = 0, bytes = 0;  ///< 0: code is loaded
  uint64_t timestamp = 0;
  uint32_t pid = 0, tid = 0;
  uint64_t address = 0, codeAddress = 0, codeBytes = 0, index = 0;  ///< behind it: the name with its 0, and the code
};
static_assert(sizeof(DumpHead) == 40 && sizeof(DumpLoad) == 56);

template <class T>
std::string_view bytesOf(const T& value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

/// Both files of a process; a fork has its own.
class PerfFiles {
public:
  void add(const NamedCode& named) {
    std::lock_guard lock(guard_);
    if (owner_ != ::getpid()) open();
    map_.write(fmt::format("{:x} {:x} {}\n", reinterpret_cast<uintptr_t>(named.code), named.bytes, named.name));
    DumpLoad load;
    load.bytes = static_cast<uint32_t>(sizeof load + named.name.size() + 1 + named.bytes);
    load.timestamp = monotonicNs();
    load.pid = static_cast<uint32_t>(owner_), load.tid = static_cast<uint32_t>(::syscall(SYS_gettid));
    load.address = load.codeAddress = reinterpret_cast<uintptr_t>(named.code);
    load.codeBytes = named.bytes, load.index = index_++;
    std::string record(bytesOf(load));
    record.append(named.name.c_str(), named.name.size() + 1);
    record.append(reinterpret_cast<const char*>(named.code), named.bytes);
    dump_.write(record);
  }

private:
  void open() {
    owner_ = ::getpid();
    map_.open(fmt::format("/tmp/perf-{}.map", owner_));
    dump_.open(fmt::format("/tmp/jit-{}.dump", owner_));
    DumpHead head;
    head.machine = kMachine, head.pid = static_cast<uint32_t>(owner_), head.timestamp = monotonicNs();
    dump_.write(bytesOf(head));
    // That this process maps it executable is how perf finds it.
    if (dump_.get() >= 0)
      (void)::mmap(nullptr, static_cast<size_t>(::sysconf(_SC_PAGESIZE)), PROT_READ | PROT_EXEC, MAP_PRIVATE, dump_.get(), 0);
  }

#if defined(__x86_64__)
  static constexpr uint32_t kMachine = EM_X86_64;
#else
  static constexpr uint32_t kMachine = EM_AARCH64;
#endif
  std::mutex guard_;
  pid_t owner_ = -1;
  uint64_t index_ = 0;
  OwnFile map_, dump_;
};

}  // namespace

void nameForPerf(const NamedCode& named) {
  if (!wanted()) return;
  static PerfFiles files;
  files.add(named);
}

}  // namespace quern
