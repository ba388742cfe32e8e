// compiler/jit/ModuleEntry.cpp — the one symbol of libquern-codegen.so, and what becomes of LLVM's giving up.
//
// LLVM's fatal errors do not return to it, and what it was building is in pieces then: whoever destroyed it would free what never was. So
// the call is left by a jump, past all destructors; what it held is lost, and LLVM is not entered again in this process.
#include "compiler/Fingerprint.h"
#include "compiler/jit/CodegenModule.h"

#include "compiler/base/Check.h"

#include <llvm/Support/ErrorHandling.h>

#include <csetjmp>
#include <cstdio>
#include <mutex>
#include <new>
#include <optional>
#include <string>

namespace quern {

namespace {

/// Where a call into LLVM is left, and why it was.
struct WayOut {
  std::jmp_buf place;
  bool noMemory = false;
  char reason[240] = {};  // there may be no memory for a string
};

/// This thread's, while it is in LLVM. Its place is there from the thread's beginning: to make one takes memory.
WayOut*& wayOut() {
  static thread_local WayOut* way __attribute__((tls_model("initial-exec"))) = nullptr;
  return way;
}

[[noreturn]] void leave(bool noMemory, const char* reason) {
  WayOut* way = wayOut();
  if (way == nullptr && noMemory) throw std::bad_alloc();
  QUERN_CHECK_FOR(way != nullptr, reason);
  way->noMemory = noMemory;
  std::snprintf(way->reason, sizeof way->reason, "%s", reason);
  std::longjmp(way->place, 1);
}

/// Why LLVM is not entered any more.
class Closed {
public:
  std::optional<Error> error() {
    std::lock_guard lock(guard_);
    return error_;
  }
  Error close(Error why) {
    std::lock_guard lock(guard_);
    if (!error_) error_ = std::move(why);
    return *error_;
  }

private:
  std::mutex guard_;
  std::optional<Error> error_;
};

Closed& closed() {
  static Closed only;
  return only;
}

Error errorOf(const WayOut& way) {
  if (way.noMemory) return machineLacks("out of memory in the code generator");
  return internalError(std::string("LLVM: ") + way.reason);
}

/// For functions that one thread at a time may be in: taken out here, or a jump would leave it locked.
std::mutex alone;

template <auto function, bool kAlone = false>
struct Guarded;

/// `function`, with LLVM's fatal errors and memory that was not to be had as values.
template <class R, class... Args, Result<R> (*function)(Args...), bool kAlone>
struct Guarded<function, kAlone> {
  static Result<R> call(Args... args) {
    std::unique_lock<std::mutex> only(alone, std::defer_lock);
    if (kAlone) only.lock();
    if (auto why = closed().error()) return *why;
    WayOut way;
    wayOut() = &way;
    if (setjmp(way.place) != 0) {
      wayOut() = nullptr;
      return closed().close(errorOf(way));
    }
    Result<R> result = function(args...);
    wayOut() = nullptr;
    return result;
  }
};

}  // namespace

}  // namespace quern

extern "C" __attribute__((visibility("default"))) const quern::CodegenApi* quernCodegenApi() {
  using namespace quern;
  static const CodegenApi api = {CodegenApi::kVersion,         kGeneratorFingerprint,           Guarded<emitObject>::call,
                                 Guarded<emitText>::call,      Guarded<linkObject, true>::call, Guarded<checkContract>::call,
                                 Guarded<staticLibrary>::call, Guarded<sharedLibrary>::call};
  static const bool installed = [] {
    setCheckFailure([](const std::string& message) {  // this module's own
      if (wayOut() != nullptr) leave(false, message.c_str());
    });
    llvm::install_fatal_error_handler([](void*, const char* reason, bool) { leave(false, reason); });
    llvm::install_bad_alloc_error_handler([](void*, const char*, bool) { leave(true, ""); });
    static const std::new_handler outside = std::get_new_handler();
    std::set_new_handler([] {
      if (wayOut() == nullptr && outside != nullptr) outside();
      leave(true, "");  // outside of LLVM: the exception that there would be without it
    });
    return true;
  }();
  return installed ? &api : nullptr;
}
