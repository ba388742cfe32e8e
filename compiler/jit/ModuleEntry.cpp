// compiler/jit/ModuleEntry.cpp — the one symbol of libquern-codegen.so, and what LLVM does when it gives up.
#include "compiler/jit/CodegenModule.h"

#include "compiler/ArgsHeader.h"
#include "compiler/base/Check.h"

#include <llvm/Support/ErrorHandling.h>

namespace {

/// LLVM's fatal errors cannot be returned from: each ends the program as a bug of ours.
void onFatalError(void*, const char* reason, bool) { quern::checkFailed(__FILE__, __LINE__, "LLVM gave up", reason); }

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
