// compiler/jit/CodegenModule.cpp — finding and loading the module; linked into programs, needs no LLVM.
#include "compiler/jit/CodegenModule.h"

#include "compiler/Fingerprint.h"
#include "compiler/base/Log.h"
#include "compiler/base/Module.h"
#include "compiler/base/OwnPath.h"

#include <atomic>
#include <csetjmp>
#include <csignal>
#include <cstdlib>
#include <dlfcn.h>
#include <fmt/format.h>
#include <mutex>
#include <sys/mman.h>
#include <unistd.h>
#include <vector>

namespace quern {

static std::atomic<bool> moduleLoaded{false};

bool codegenLoaded() { return moduleLoaded; }

/// Where modules are, or in the build tree this was built in.
static std::vector<std::string> candidates() {
  std::vector<std::string> folders = moduleFolders();
  for (const char* each : {"/../compiler", "/../../compiler"}) folders.push_back(ownFolder() + each);
  for (std::string& each : folders) each += "/libquern-codegen.so";
  return folders;
}

/// What LLVM does as it is loaded ends the program where there is no memory for it.
static bool roomForLlvm() {
  constexpr size_t kBytes = 176 << 20;  // 130 MiB of libLLVM, its statics, the first kernel
  void* pages = ::mmap(nullptr, kBytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (pages == MAP_FAILED) return false;
  ::munmap(pages, kBytes);
  return true;
}

namespace {

/// LLVM's statics call abort() where a request for memory fails, before a handler of ours can be there. While this thread loads it that
/// is a value: what was being loaded is lost, and is not tried again.
class LoadingAborts {
public:
  LoadingAborts() {
    place_ = &own_;
    struct sigaction jump = {};
    jump.sa_handler = &leave;
    ::sigaction(SIGABRT, &jump, &before_);
  }
  ~LoadingAborts() {
    ::sigaction(SIGABRT, &before_, nullptr);
    place_ = nullptr;
  }
  LoadingAborts(const LoadingAborts&) = delete;
  sigjmp_buf& place() { return own_; }

private:
  /// Another thread's abort is meant: it goes on when this returns.
  static void leave(int) {
    if (place_ != nullptr) siglongjmp(*place_, 1);
  }

  static inline thread_local sigjmp_buf* place_ = nullptr;
  sigjmp_buf own_;
  struct sigaction before_ = {};
};

}  // namespace

static Result<void*> loadUnlessAborted(const std::string& path) {
  static bool aborted = false;  // under codegenModule's lock
  if (aborted) return machineLacks("out of memory while the code generator was loaded");
  LoadingAborts aborts;
  if (sigsetjmp(aborts.place(), 1) == 0) return loadModule(path);
  aborted = true;
  return machineLacks("out of memory while the code generator was loaded");
}

static Result<const CodegenApi*> load() {
  if (!roomForLlvm()) return machineLacks("out of memory: the code generator needs 176 MiB of address space");
  std::string reasons;
  for (const std::string& path : candidates()) {
    if (::access(path.c_str(), R_OK) != 0) continue;
    auto module = loadUnlessAborted(path);
    if (!module) {
      reasons += "; " + module.error().message;
      continue;
    }
    auto entry = reinterpret_cast<const CodegenApi* (*)()>(::dlsym(*module, "quernCodegenApi"));
    if (entry == nullptr || entry()->version != CodegenApi::kVersion) {
      reasons += fmt::format("; {} is of another version", path);
      continue;
    }
    if (std::string_view(entry()->fingerprint) != kGeneratorFingerprint) {  // its kernels would be kept under our keys
      reasons +=
          fmt::format("; {} was built from other sources ({}, this program from {})", path, entry()->fingerprint, kGeneratorFingerprint);
      continue;
    }
    moduleLoaded = true;
    logLine(LogTopic::Dispatch, fmt::format("code generator loaded from {}", path));
    return entry();
  }
  return machineLacks(fmt::format("the code generator (libquern-codegen.so) {} beside this code, so nothing can be compiled{}",
                                  reasons.empty() ? "was not found" : "cannot be loaded from", reasons));
}

Result<const CodegenApi*> codegenModule() {
  static std::mutex guard;
  static const CodegenApi* api = nullptr;
  std::lock_guard lock(guard);
  if (const char* refused = std::getenv("QUERN_NO_COMPILER"); refused != nullptr && *refused != 0 && std::string_view(refused) != "0")
    return machineLacks("the compiler is refused (QUERN_NO_COMPILER)");
  if (api != nullptr) return api;
  auto found = load();
  if (found) api = *found;
  return found;
}

}  // namespace quern
