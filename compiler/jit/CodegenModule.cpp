// compiler/jit/CodegenModule.cpp — finding and loading the module; linked into programs, needs no LLVM.
#include "compiler/jit/CodegenModule.h"

#include "compiler/base/Log.h"
#include "compiler/base/Module.h"
#include "compiler/base/ProgramPath.h"

#include <atomic>
#include <dlfcn.h>
#include <fmt/format.h>
#include <mutex>
#include <sys/mman.h>
#include <unistd.h>
#include <vector>

namespace quern {

static std::atomic<bool> loaded{false};

bool codegenLoaded() { return loaded; }

/// Beside the program (an installation), or in the build tree it was built in.
static std::vector<std::string> candidates() {
  std::string directory = programFolder();
  return {directory + "/libquern-codegen.so", directory + "/../lib/quern/libquern-codegen.so",
          directory + "/../compiler/libquern-codegen.so", directory + "/../../compiler/libquern-codegen.so"};
}

/// What LLVM does as it is loaded ends the program where there is no memory for it.
static bool roomForLlvm() {
  constexpr size_t kBytes = 176 << 20;  // 130 MiB of libLLVM, its statics, the first kernel
  void* pages = ::mmap(nullptr, kBytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (pages == MAP_FAILED) return false;
  ::munmap(pages, kBytes);
  return true;
}

static Result<const CodegenApi*> load() {
  if (!roomForLlvm()) return machineLacks("out of memory: the code generator needs 176 MiB of address space");
  std::string reasons;
  for (const std::string& path : candidates()) {
    if (::access(path.c_str(), R_OK) != 0) continue;
    auto module = loadModule(path);
    if (!module) {
      reasons += "; " + module.error().message;
      continue;
    }
    auto entry = reinterpret_cast<const CodegenApi* (*)()>(::dlsym(*module, "quernCodegenApi"));
    if (entry == nullptr || entry()->version != CodegenApi::kVersion) {
      reasons += fmt::format("; {} is of another version", path);
      continue;
    }
    loaded = true;
    logLine(LogTopic::Dispatch, fmt::format("code generator loaded from {}", path));
    return entry();
  }
  return machineLacks(fmt::format("the code generator (libquern-codegen.so) {} beside the program, so nothing can be compiled{}",
                                  reasons.empty() ? "was not found" : "cannot be loaded from", reasons));
}

Result<const CodegenApi*> codegenModule() {
  static std::mutex guard;
  static const CodegenApi* api = nullptr;
  std::lock_guard lock(guard);
  if (api != nullptr) return api;
  auto found = load();
  if (found) api = *found;
  return found;
}

}  // namespace quern
