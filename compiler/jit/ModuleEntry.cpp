// compiler/jit/ModuleEntry.cpp — the one symbol of libquern-codegen.so, and what LLVM does when it gives up.
#include "compiler/jit/CodegenModule.h"

#include "compiler/ArgsHeader.h"

#include <llvm/Support/ErrorHandling.h>

#include <cstdio>
#include <cstdlib>

namespace {

/// LLVM's fatal errors cannot be returned from: say what it was and end as a bug of ours, without running destructors.
void onFatalError(void*, const char* reason, bool) {
  std::fprintf(stderr, "quern: internal error: LLVM: %s\n", reason);
  std::_Exit(70);
}

}  // namespace

extern "C" __attribute__((visibility("default"))) const quern::CodegenApi* quernCodegenApi() {
  static const quern::CodegenApi api = {quern::CodegenApi::kVersion, quern::emitObject,    quern::emitText, quern::linkObject,
                                        quern::staticLibrary,        quern::sharedLibrary, kArgsHeader};
  static const bool installed = [] {
    llvm::install_fatal_error_handler(onFatalError);
    return true;
  }();
  return installed ? &api : nullptr;
}
