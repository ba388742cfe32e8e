// compiler/jit/CodegenModule.h — the code generator as a module that is loaded when the first kernel must be compiled.
// A program that finds all its kernels in the cache never loads it, and with it LLVM.
#pragma once

#include "compiler/codegen/Codegen.h"
#include "compiler/codegen/ContractCheck.h"
#include "compiler/codegen/Libraries.h"
#include "compiler/jit/Jit.h"

namespace quern {

/// The module's functions: those of Codegen.h, ContractCheck.h, Jit.h and Libraries.h.
struct CodegenApi {
  static constexpr int kVersion = 3;
  int version;
  const char* fingerprint;  ///< of the sources it was built from, as in the cache's keys: a module of others is refused
  Result<std::string> (*emitObject)(const LoopProgram& program, const std::string& symbol);
  Result<std::string> (*emitText)(const LoopProgram& program, EmitStage stage);
  Result<JitCode> (*linkObject)(const std::string& object, const std::string& symbol);
  Result<void> (*checkContract)(std::string_view object, const Contract& contract);
  Result<std::string> (*staticLibrary)(const std::vector<NamedObject>& objects);
  Result<std::string> (*sharedLibrary)(const std::vector<NamedObject>& objects, const std::string& soname);
};

/// Loads the module on the first call. Threads: may be called from any.
/// Errors   Machine: where it was looked for and why it could not be loaded; QUERN_NO_COMPILER is set, to something else than 0.
Result<const CodegenApi*> codegenModule();

/// Whether the module has been loaded by this process.
bool codegenLoaded();

}  // namespace quern
