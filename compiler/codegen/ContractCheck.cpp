// compiler/codegen/ContractCheck.cpp — see ContractCheck.h.
#include "compiler/codegen/ContractCheck.h"

#include "compiler/base/ElfObject.h"
#include "compiler/codegen/X86Features.h"

#include <fmt/format.h>
#include <llvm/MC/MCAsmBackend.h>
#include <llvm/MC/MCAsmInfo.h>
#include <llvm/MC/MCCodeEmitter.h>
#include <llvm/MC/MCContext.h>
#include <llvm/MC/MCDisassembler/MCDisassembler.h>
#include <llvm/MC/MCInst.h>
#include <llvm/MC/MCInstPrinter.h>
#include <llvm/MC/MCInstrInfo.h>
#include <llvm/MC/MCObjectFileInfo.h>
#include <llvm/MC/MCParser/MCAsmParser.h>
#include <llvm/MC/MCParser/MCTargetAsmParser.h>
#include <llvm/MC/MCRegisterInfo.h>
#include <llvm/MC/MCStreamer.h>
#include <llvm/MC/MCSubtargetInfo.h>
#include <llvm/MC/TargetRegistry.h>
#include <llvm/Support/SourceMgr.h>

#include <algorithm>
#include <functional>
#include <set>

namespace quern {

namespace {

/// LLVM's tables of one architecture: made once, read by any thread.
class Machine {
public:
  explicit Machine(const IsaLevel& isa) : triple_(fmt::format("{}-unknown-linux-gnu", isa.arch)) {
    std::string error;
    target_ = llvm::TargetRegistry::lookupTarget(triple_, error);
    if (target_ == nullptr) return;
    registers_.reset(target_->createMCRegInfo(triple_));
    assembly_.reset(target_->createMCAsmInfo(*registers_, triple_, options_));
    instructions_.reset(target_->createMCInstrInfo());
    any_ = cpu("", isa.arch == "aarch64" ? "+all" : "");  // x86 takes everything apart in any case
  }
  bool good() const { return target_ != nullptr; }
  std::unique_ptr<llvm::MCSubtargetInfo> cpu(const std::string& name, const std::string& features) const {
    return std::unique_ptr<llvm::MCSubtargetInfo>(target_->createMCSubtargetInfo(triple_, name, features));
  }

  using Text = std::function<std::string()>;
  using Seen = std::function<std::string(std::span<const uint8_t> bytes, const Text& text)>;

  /// Calls `seen` with the first instruction of each opcode, until it says something. Errors: Internal: that, or no instruction.
  Result<void> oneOfEach(std::string_view code, const Seen& seen) const {
    llvm::MCContext context(llvm::Triple(triple_), assembly_.get(), registers_.get(), any_.get());
    std::unique_ptr<llvm::MCDisassembler> disassembler(target_->createMCDisassembler(*any_, context));
    llvm::ArrayRef<uint8_t> bytes(reinterpret_cast<const uint8_t*>(code.data()), code.size());
    std::set<unsigned> known;
    for (uint64_t at = 0, length = 0; at < bytes.size(); at += length) {
      llvm::MCInst instruction;
      auto status = disassembler->getInstruction(instruction, length, bytes.slice(at), at, llvm::nulls());
      if (status != llvm::MCDisassembler::Success || length == 0)
        return internalError(fmt::format("byte {} of the code is no instruction", at));
      if (!known.insert(instruction.getOpcode()).second) continue;
      std::string why = seen({bytes.data() + at, length}, [&] { return textOf(instruction, at); });
      if (!why.empty()) return internalError(why);
    }
    return {};
  }

  std::string textOf(const llvm::MCInst& instruction, uint64_t at) const {
    std::unique_ptr<llvm::MCInstPrinter> printer(
        target_->createMCInstPrinter(llvm::Triple(triple_), assembly_->getAssemblerDialect(), *assembly_, *instructions_, *registers_));
    std::string text;
    llvm::raw_string_ostream stream(text);
    printer->printInst(&instruction, at, "", *any_, stream);
    return llvm::StringRef(text).trim().str();
  }

  /// What the assembler of a CPU says of `lines` first; empty: nothing.
  std::string refusal(const std::string& lines, const Contract& contract) const {
    auto cpuInfo = cpu(std::string(contract.isa().llvmCpu), contract.llvmFeatures());
    std::string first;
    llvm::SourceMgr sources;
    sources.AddNewSourceBuffer(llvm::MemoryBuffer::getMemBuffer(lines), llvm::SMLoc());
    sources.setDiagHandler(
        [](const llvm::SMDiagnostic& found, void* into) {
          auto& text = *static_cast<std::string*>(into);
          if (text.empty() && found.getKind() == llvm::SourceMgr::DK_Error)
            text = fmt::format("{}: {}", llvm::StringRef(found.getLineContents()).trim().str(), found.getMessage().str());
        },
        &first);
    llvm::MCContext context(llvm::Triple(triple_), assembly_.get(), registers_.get(), cpuInfo.get(), &sources);
    std::unique_ptr<llvm::MCObjectFileInfo> file(target_->createMCObjectFileInfo(context, true));
    context.setObjectFileInfo(file.get());
    context.setDiagnosticHandler([&](const llvm::SMDiagnostic& found, bool, const llvm::SourceMgr&, std::vector<const llvm::MDNode*>&) {
      if (first.empty() && found.getKind() == llvm::SourceMgr::DK_Error) first = found.getMessage().str();
    });
    std::unique_ptr<llvm::MCStreamer> streamer(llvm::createNullStreamer(context));
    target_->createNullTargetStreamer(*streamer);
    std::unique_ptr<llvm::MCAsmParser> parser(llvm::createMCAsmParser(sources, context, *streamer, *assembly_));
    std::unique_ptr<llvm::MCTargetAsmParser> ofTarget(target_->createMCAsmParser(*cpuInfo, *parser, *instructions_, options_));
    parser->setTargetParser(*ofTarget);
    bool failed = parser->Run(false);
    return failed && first.empty() ? "it does not assemble" : first;
  }

private:
  std::string triple_;
  const llvm::Target* target_ = nullptr;
  llvm::MCTargetOptions options_;
  std::unique_ptr<llvm::MCRegisterInfo> registers_;
  std::unique_ptr<llvm::MCAsmInfo> assembly_;
  std::unique_ptr<llvm::MCInstrInfo> instructions_;
  std::unique_ptr<llvm::MCSubtargetInfo> any_;
};

const Machine& machineOf(const IsaLevel& isa) {
  static const Machine x86(*findIsaLevel("x86-64")), arm(*findIsaLevel("aarch64"));
  return isa.arch == "aarch64" ? arm : x86;
}

}  // namespace

Result<void> checkContract(std::string_view object, const Contract& contract) {
  auto parsed = parseKernelObject(object);
  if (!parsed) return parsed.error();
  const Machine& machine = machineOf(contract.isa());
  if (!machine.good()) return internalError(fmt::format("LLVM knows no {}", contract.isa().arch));
  Target least;
  least.level = contract.level;
  least.features = contract.features;
  std::vector<std::string> all = least.allFeatures();
  auto has = [&](std::string_view feature) { return std::binary_search(all.begin(), all.end(), feature); };
  bool isX86 = contract.isa().arch == "x86_64";  // whose assembler knows no CPU
  for (const ElfSection& section : parsed->sections) {
    if (!section.code) continue;
    std::string lines;
    auto good = machine.oneOfEach(section.bytes, [&](std::span<const uint8_t> bytes, const Machine::Text& text) -> std::string {
      if (!isX86) return lines += text() + "\n", "";
      std::string_view feature = x86FeatureOf(bytes);
      if (has(feature)) return "";
      return fmt::format("the code is not of its contract {}: {} needs {}", quern::text(contract), text(), feature);
    });
    if (!good) return good;
    if (isX86) continue;
    if (std::string why = machine.refusal(lines, contract); !why.empty())
      return internalError(fmt::format("the code is not of its contract {}: {}", text(contract), why));
  }
  return {};
}

}  // namespace quern
