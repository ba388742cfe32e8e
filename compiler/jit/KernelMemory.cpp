// compiler/jit/KernelMemory.cpp — see KernelMemory.h.
#include "compiler/jit/KernelMemory.h"

#include "compiler/base/CodePages.h"

#include <llvm/ExecutionEngine/JITLink/JITLinkMemoryManager.h>
#include <llvm/Support/Process.h>

namespace quern {

namespace {

using llvm::jitlink::BasicLayout;
using llvm::jitlink::JITLinkMemoryManager;
using Failed = std::function<void(Error)>;

llvm::Error asLlvm(const std::string& message) { return llvm::createStringError(llvm::inconvertibleErrorCode(), message.c_str()); }

/// Pages that JITLink is writing.
class Writing : public JITLinkMemoryManager::InFlightAlloc {
public:
  Writing(CodePages pages, Failed failed) : pages_(std::move(pages)), failed_(std::move(failed)) {}

  void abandon(OnAbandonedFunction done) override { done(llvm::Error::success()); }

  void finalize(OnFinalizedFunction done) override {
    if (auto good = pages_.seal(); !good) {
      failed_(good.error());
      return done(asLlvm(good.error().message));
    }
    auto* kept = new std::shared_ptr<void>(pages_.owner());
    done(JITLinkMemoryManager::FinalizedAlloc(llvm::orc::ExecutorAddr::fromPtr(kept)));
  }

private:
  CodePages pages_;
  Failed failed_;
};

class KernelMemory : public JITLinkMemoryManager {
public:
  explicit KernelMemory(Failed failed) : failed_(std::move(failed)) {}

  void allocate(const llvm::jitlink::JITLinkDylib*, llvm::jitlink::LinkGraph& graph, OnAllocatedFunction done) override {
    BasicLayout layout(graph);
    const size_t page = llvm::sys::Process::getPageSizeEstimate();
    auto sizes = layout.getContiguousPageBasedLayoutSizes(page);
    if (!sizes) return done(sizes.takeError());
    auto pages = CodePages::make(sizes->total());
    if (!pages) {
      failed_(pages.error());
      return done(asLlvm(pages.error().message));
    }
    unsigned char* next = pages->data();
    for (auto& [group, segment] : layout.segments()) {
      // A kernel has code and constants: nothing that would be written to once it runs.
      bool written = (static_cast<unsigned>(group.getMemProt()) & static_cast<unsigned>(llvm::orc::MemProt::Write)) != 0;
      if (written) return done(asLlvm("the kernel has data that it writes"));
      segment.Addr = llvm::orc::ExecutorAddr::fromPtr(next);
      segment.WorkingMem = reinterpret_cast<char*>(next);
      next += llvm::alignTo(segment.ContentSize + segment.ZeroFillSize, page);
    }
    if (auto error = layout.apply()) return done(std::move(error));
    done(std::make_unique<Writing>(std::move(*pages), failed_));
  }

  void deallocate(std::vector<FinalizedAlloc> dead, OnDeallocatedFunction done) override {
    for (FinalizedAlloc& each : dead) delete each.release().toPtr<std::shared_ptr<void>*>();
    done(llvm::Error::success());
  }
  using JITLinkMemoryManager::allocate;
  using JITLinkMemoryManager::deallocate;

private:
  Failed failed_;
};

}  // namespace

std::unique_ptr<JITLinkMemoryManager> kernelMemory(Failed failed) { return std::make_unique<KernelMemory>(std::move(failed)); }

}  // namespace quern
