// compiler/jit/Jit.cpp — see Jit.h.
#include "compiler/jit/Jit.h"

#include "compiler/jit/KernelMemory.h"

#include <fmt/format.h>
#include <llvm/ExecutionEngine/JITLink/JITLinkMemoryManager.h>
#include <llvm/ExecutionEngine/Orc/LLJIT.h>
#include <llvm/ExecutionEngine/Orc/ObjectLinkingLayer.h>
#include <llvm/Support/TargetSelect.h>

#include <mutex>
#include <optional>

namespace quern {

namespace {

std::string textOf(llvm::Error error) { return llvm::toString(std::move(error)); }

/// One JIT for the process; every kernel has a dylib of its own, so that equal names do not meet.
struct Session {
  std::unique_ptr<llvm::orc::LLJIT> jit;
  std::string failed;
  std::optional<Error> refused;  ///< by the machine
  std::string said;              ///< what ORC reports beside the error it returns
  int count = 0;

  Session() {
    LLVMInitializeX86TargetInfo();
    LLVMInitializeX86Target();
    LLVMInitializeX86TargetMC();
    llvm::orc::LLJITBuilder builder;
    builder.setLinkProcessSymbolsByDefault(false);
    builder.setPlatformSetUp(llvm::orc::setUpInactivePlatform);
    auto machine = llvm::orc::JITTargetMachineBuilder::detectHost();
    if (!machine) {
      failed = textOf(machine.takeError());
      return;
    }
    machine->setRelocationModel(llvm::Reloc::PIC_);
    machine->setCodeModel(llvm::CodeModel::Small);
    builder.setJITTargetMachineBuilder(std::move(*machine));
    builder.setObjectLinkingLayerCreator([this](llvm::orc::ExecutionSession& own, const llvm::Triple&) {
      auto memory = kernelMemory([this](Error error) { refused = std::move(error); });
      return llvm::Expected<std::unique_ptr<llvm::orc::ObjectLayer>>(
          std::make_unique<llvm::orc::ObjectLinkingLayer>(own, std::move(memory)));
    });
    auto made = builder.create();
    if (!made) {
      failed = textOf(made.takeError());
      return;
    }
    jit = std::move(*made);
    jit->getExecutionSession().setErrorReporter(
        [this](llvm::Error error) { said += (said.empty() ? "" : "; ") + textOf(std::move(error)); });
  }

  /// What a step of linking came to, where it failed.
  Error whyNot(llvm::Error error) {
    std::string why = textOf(std::move(error));
    if (refused) return *refused;
    return internalError("ORC: " + (said.empty() ? why : said));
  }
};

Session& session() {
  static Session* only = new Session;  // never destroyed: kernels may outlive every other static
  return *only;
}

}  // namespace

Result<JitCode> linkObject(const std::string& object, const std::string& symbol) {
  Session& s = session();
  if (s.jit == nullptr) return internalError("ORC: " + s.failed);
  s.refused.reset();
  s.said.clear();
  auto dylib = s.jit->createJITDylib(fmt::format("kernel-{}", ++s.count));
  if (!dylib) return s.whyNot(dylib.takeError());
  auto buffer = llvm::MemoryBuffer::getMemBufferCopy(object, "kernel");
  if (auto error = s.jit->addObjectFile(*dylib, std::move(buffer))) return s.whyNot(std::move(error));
  auto address = s.jit->lookup(*dylib, symbol);
  if (!address) return s.whyNot(address.takeError());
  llvm::orc::JITDylib* library = &*dylib;
  std::shared_ptr<void> owner(library, [](void* dead) {
    llvm::consumeError(session().jit->getExecutionSession().removeJITDylib(*static_cast<llvm::orc::JITDylib*>(dead)));
  });
  return JitCode{address->toPtr<QuernKernel*>(), std::move(owner)};
}

}  // namespace quern
