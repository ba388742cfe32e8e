// compiler/codegen/Codegen.cpp — module, our short fixed pipeline, the target machine, and the object that comes out.
#include "compiler/codegen/Codegen.h"

#include "compiler/base/ElfObject.h"
#include "compiler/codegen/ContractCheck.h"
#include "compiler/codegen/IrEmitter.h"
#include "compiler/loops/ir/LoopVerifier.h"
#include "compiler/target/Target.h"

#include <fmt/format.h>
#include <llvm/Analysis/LoopAnalysisManager.h>
#include <llvm/IR/DiagnosticHandler.h>
#include <llvm/IR/DiagnosticInfo.h>
#include <llvm/IR/DiagnosticPrinter.h>
#include <llvm/IR/LegacyPassManager.h>
#include <llvm/IR/Module.h>
#include <llvm/IR/Verifier.h>
#include <llvm/MC/TargetRegistry.h>
#include <llvm/Passes/PassBuilder.h>
#include <llvm/Support/TargetSelect.h>
#include <llvm/Target/TargetMachine.h>
#include <llvm/Transforms/InstCombine/InstCombine.h>
#include <llvm/Transforms/Scalar/DCE.h>
#include <llvm/Transforms/Scalar/EarlyCSE.h>
#include <llvm/Transforms/Scalar/LICM.h>
#include <llvm/Transforms/Scalar/LoopPassManager.h>
#include <llvm/Transforms/Scalar/SROA.h>
#include <llvm/Transforms/Scalar/SimplifyCFG.h>

#include <mutex>

namespace quern {

namespace {

void initialiseTargets() {
  static std::once_flag once;
  std::call_once(once, [] {
    LLVMInitializeX86TargetInfo();
    LLVMInitializeX86Target();
    LLVMInitializeX86TargetMC();
    LLVMInitializeX86AsmPrinter();
    LLVMInitializeX86AsmParser();
    LLVMInitializeX86Disassembler();
    LLVMInitializeAArch64TargetInfo();
    LLVMInitializeAArch64Target();
    LLVMInitializeAArch64TargetMC();
    LLVMInitializeAArch64AsmPrinter();
    LLVMInitializeAArch64AsmParser();
    LLVMInitializeAArch64Disassembler();
  });
}

/// Keeps what LLVM complains of. Its own handler prints, and ends the program at an error.
struct Complaints : llvm::DiagnosticHandler {
  explicit Complaints(std::string& errors) : errors_(errors) {}
  bool handleDiagnostics(const llvm::DiagnosticInfo& info) override {
    if (info.getSeverity() != llvm::DS_Error) return true;
    llvm::raw_string_ostream stream(errors_);
    llvm::DiagnosticPrinterRawOStream printer(stream);
    info.print(printer);
    return true;
  }
  std::string& errors_;
};

/// One compilation: everything LLVM lives and dies with it.
class Compilation {
public:
  Compilation() { context_.setDiagnosticHandler(std::make_unique<Complaints>(errors_)); }

  Result<void> build(const LoopProgram& program, const std::string& symbol) {
    if (auto good = verifyLoops(program); !good) return good;
    const IsaLevel* isa = &program.contract.isa();  // the verifier knows it
    initialiseTargets();
    std::string triple = fmt::format("{}-unknown-linux-gnu", isa->arch);
    std::string error;
    const llvm::Target* target = llvm::TargetRegistry::lookupTarget(triple, error);
    if (target == nullptr) return internalError("LLVM: " + error);
    llvm::TargetOptions options;
    options.AllowFPOpFusion = llvm::FPOpFusion::Strict;
    options.LoopAlignment = 64;  // 16, the default, leaves up to 25 % to luck (Zen 3: a layernorm's three short loops)
    machine_.reset(target->createTargetMachine(triple, std::string(isa->llvmCpu), "", options, llvm::Reloc::PIC_, llvm::CodeModel::Small,
                                               llvm::CodeGenOptLevel::Default));
    if (machine_ == nullptr) return internalError("LLVM: no target machine for " + triple);
    module_ = std::make_unique<llvm::Module>("kernel", context_);
    module_->setSourceFileName("kernel");
    module_->setTargetTriple(triple);
    module_->setDataLayout(machine_->createDataLayout());
    module_->setPICLevel(llvm::PICLevel::BigPIC);
    emitIr(program, *module_, symbol);
    return verified(program.name);
  }

  /// Register promotion, simplification, hoisting. No vectoriser, no unroller, no loop-idiom: those decisions are ours.
  Result<void> optimise(const std::string& name) {
    llvm::LoopAnalysisManager loops;
    llvm::FunctionAnalysisManager functions;
    llvm::CGSCCAnalysisManager cgscc;
    llvm::ModuleAnalysisManager modules;
    llvm::PassBuilder builder(machine_.get());
    builder.registerModuleAnalyses(modules);
    builder.registerCGSCCAnalyses(cgscc);
    builder.registerFunctionAnalyses(functions);
    builder.registerLoopAnalyses(loops);
    builder.crossRegisterProxies(loops, functions, cgscc, modules);
    llvm::FunctionPassManager passes;
    passes.addPass(llvm::SROAPass(llvm::SROAOptions::ModifyCFG));
    passes.addPass(llvm::EarlyCSEPass(true));
    passes.addPass(llvm::InstCombinePass());
    passes.addPass(llvm::SimplifyCFGPass());
    llvm::LICMOptions hoist;
    passes.addPass(llvm::createFunctionToLoopPassAdaptor(llvm::LICMPass(hoist), true));
    passes.addPass(llvm::EarlyCSEPass(true));
    passes.addPass(llvm::InstCombinePass());
    passes.addPass(llvm::DCEPass());
    for (llvm::Function& function : *module_)
      if (!function.isDeclaration()) passes.run(function, functions);
    return verified(name);
  }

  std::string irText() const {
    std::string text;
    llvm::raw_string_ostream stream(text);
    module_->print(stream, nullptr);
    return text;
  }

  Result<std::string> machineCode(llvm::CodeGenFileType type) {
    llvm::SmallVector<char, 0> bytes;
    llvm::raw_svector_ostream stream(bytes);
    llvm::legacy::PassManager passes;
    if (machine_->addPassesToEmitFile(passes, stream, nullptr, type)) return internalError("LLVM: cannot emit this file type");
    passes.run(*module_);
    if (!errors_.empty()) return internalError("LLVM: " + errors_);
    return std::string(bytes.data(), bytes.size());
  }

private:
  Result<void> verified(const std::string& name) {
    std::string why;
    llvm::raw_string_ostream stream(why);
    if (llvm::verifyModule(*module_, &stream)) return internalError(fmt::format("LLVM IR of '{}' is malformed: {}", name, why));
    return {};
  }

  std::string errors_;
  llvm::LLVMContext context_;
  std::unique_ptr<llvm::TargetMachine> machine_;
  std::unique_ptr<llvm::Module> module_;
};

}  // namespace

Result<std::string> emitObject(const LoopProgram& program, const std::string& symbol) {
  Compilation compilation;
  if (auto good = compilation.build(program, symbol); !good) return good.error();
  if (auto good = compilation.optimise(program.name); !good) return good.error();
  auto object = compilation.machineCode(llvm::CodeGenFileType::ObjectFile);
  if (!object) return object;
  if (auto parsed = parseKernelObject(*object); !parsed)
    return internalError(fmt::format("'{}': {}", program.name, parsed.error().message));
  if (auto good = checkContract(*object, program.contract); !good)
    return internalError(fmt::format("'{}': {}", program.name, good.error().message));
  return object;
}

Result<std::string> emitText(const LoopProgram& program, EmitStage stage) {
  Compilation compilation;
  if (auto good = compilation.build(program, kKernelSymbol); !good) return good.error();
  if (stage == EmitStage::Llvm) return compilation.irText();
  if (auto good = compilation.optimise(program.name); !good) return good.error();
  if (stage == EmitStage::LlvmOpt) return compilation.irText();
  return compilation.machineCode(llvm::CodeGenFileType::AssemblyFile);
}

}  // namespace quern
