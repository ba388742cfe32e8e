// tools/quern/Command.cpp — what commands share.
#include "tools/quern/Command.h"

#include "compiler/base/Files.h"
#include "compiler/base/Log.h"
#include "compiler/base/Text.h"
#include "compiler/jit/CodegenModule.h"
#include "compiler/loops/LoopInterpreter.h"
#include "compiler/loops/LoopParser.h"
#include "compiler/loops/LoopPrinter.h"
#include "compiler/loops/LoopVerifier.h"
#include "compiler/loops/Lower.h"
#include "compiler/store/KernelCall.h"
#include "compiler/target/HostMemory.h"
#include "compiler/target/HostTarget.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fmt/format.h>
#include <memory>
#include <unistd.h>

namespace quern {

Result<bool> ready(CommandLine& line) {
  if (auto good = line.parse(); !good) return good.error();
  if (line.helpAsked()) {
    if (auto good = writeResult(line.help()); !good) return good.error();
    return false;
  }
  if (line.has("log"))
    if (auto good = enableLogTopics(line.get("log")); !good) return badCommand(fmt::format("--log: {}", good.error().message));
  return true;
}

/// FILE.toml#ID, or FILE.toml with a single op.
static Result<OpEntry> opFromFile(const std::string& word) {
  size_t hash = word.rfind('#');
  std::string id = hash == std::string::npos ? "" : word.substr(hash + 1);
  std::string name = word.substr(0, hash);
  auto path = findConfig("suites", name);
  if (!path) return path.error();
  auto file = readOpFile(*path);
  if (!file) return file.error();
  std::vector<std::string> ids;
  for (OpEntry& entry : file->entries) {
    if (entry.id == id || (id.empty() && file->entries.size() == 1)) return std::move(entry);
    ids.push_back(entry.id);
  }
  if (id.empty())
    return badCommand(fmt::format("{} has {} ops: say which, as {}#ID; ids: {}", escaped(name), ids.size(), escaped(name), join(ids, " ")));
  return badCommand(fmt::format("{}: no op '{}'{}; ids: {}", escaped(name), escaped(id), didYouMean(id, ids), join(ids, " ")));
}

Result<OpEntry> opFromWords(const std::vector<std::string>& words, std::span<const std::vector<int64_t>> shapes) {
  if (words.size() == 1 && (words[0].ends_with(".toml") || words[0].find(".toml#") != std::string::npos)) return opFromFile(words[0]);
  std::string all = join(words, " ");
  if (words.size() > 1) {  // words of their own: a value with blanks lost its quotes to the shell
    all = words[0];
    for (size_t i = 1; i < words.size(); ++i) {
      size_t equals = words[i].find('=');
      bool blanks =
          words[i].find(' ') != std::string::npos && equals != std::string::npos && words[i].find_first_of("'\"") == std::string::npos;
      all += " " + (blanks ? words[i].substr(0, equals + 1) + "\"" + words[i].substr(equals + 1) + "\"" : words[i]);
    }
  }
  auto op = shapes.empty() ? parseOp(all) : parseOpFor(all, shapes);
  if (!op) return op.error();
  return OpEntry{"", std::move(*op), "", "", ""};
}

Result<OpFile> readSuite(const std::string& nameOrPath) {
  auto path = findConfig("suites", nameOrPath);
  if (!path) return path.error();
  return readOpFile(*path);
}

Result<Target> targetOf(const CommandLine& line, bool mustRun) {
  auto target = findTarget(line.get("cpu"));
  if (!target || !mustRun) return target;
  std::vector<std::string> lacking = hostTarget().lackingFor(*target);
  if (!lacking.empty())
    return machineLacks(fmt::format("--cpu {}: this machine lacks {}; `quern cpu` says what it has", target->name, join(lacking, ", ")));
  if (target->model.empty()) target->model = hostTarget().model;
  return target;
}

Result<std::unique_ptr<KernelLibrary>> libraryOf(const CommandLine& line, bool mustRun) {
  auto target = targetOf(line, mustRun);
  if (!target) return target.error();
  std::vector<std::string> caches = cacheDirectories(line.get("cache"));
  if (mustRun && caches.empty() && line.get("cache").empty())
    logWarning("no cache: neither HOME nor XDG_CACHE_HOME is set, so kernels are compiled anew in every run; --cache DIR names a folder");
  return std::make_unique<KernelLibrary>(std::move(*target), std::move(caches));
}

/// The operands of a program as text: names, roles, shapes, strides, in order.
static std::vector<std::string> interfaceOf(const LoopProgram& program) {
  std::vector<std::string> lines;
  for (const std::string& line : split(text(program), '\n')) {
    bool operand =
        line.starts_with("buffer ") && line.find(" shared [") == std::string::npos && line.find(" thread [") == std::string::npos;
    if (operand || line.starts_with("dim ") || line.starts_with("stride ")) lines.push_back(line);
  }
  return lines;
}

Result<LoopProgram> readLoops(const std::string& file) {
  auto bytes = readFile(file);
  if (!bytes) return bytes.error();
  auto program = parseLoops(*bytes, file);
  if (!program) return program;
  if (auto good = verifyLoops(*program); !good) return badInput(fmt::format("{}: {}", escaped(file), good.error().message));
  return program;
}

Result<LoopProgram> programFromLoops(const std::string& file, const OpDesc& op, const Schedule& schedule, const Target& target) {
  auto program = readLoops(file);
  if (!program) return program;
  auto own = lower(op, schedule, target);
  if (!own) return own.error();
  if (auto lacking = program->contract.lackingOn(target); !lacking.empty())
    return badInput(
        fmt::format("{}: isa {} needs {}, which {} lacks", escaped(file), text(program->contract), join(lacking, " "), target.name));
  // Buffers of another shape would be read past their end.
  std::vector<std::string> wanted = interfaceOf(*own), given = interfaceOf(*program);
  for (size_t i = 0; i < std::max(wanted.size(), given.size()); ++i) {
    std::string expected = i < wanted.size() ? wanted[i] : "nothing", found = i < given.size() ? given[i] : "nothing";
    if (expected != found)
      return badInput(fmt::format("{}: has '{}' where {} needs '{}'", escaped(file), escaped(found), text(op), expected));
  }
  return program;
}

/// What the first two or three seconds of interpreting a program on zeros show: an access outside its buffers above all.
static Result<void> tryLoops(const LoopProgram& program, const KernelInfo& info, const OpDesc& bound, const DimValues& dims) {
  constexpr int64_t kSteps = 20'000'000;
  std::vector<TensorSpec> specs = inputsOf(bound);
  std::vector<std::unique_ptr<void, void (*)(void*)>> memory;
  LoopArgs args;
  for (const std::string& name : info.dims) args.dims.push_back(dims.at(name));
  for (size_t i = 0; i < info.buffers.size(); ++i) {
    const KernelBuffer& buffer = info.buffers[i];
    TensorSpec spec = i < specs.size() ? specs[i] : outputOf(bound);
    int64_t bytes = buffer.use == BufferUse::Weight ? buffer.pack.bytes() : bytesOf(spec.type, spec.elements());
    memory.emplace_back(std::calloc(static_cast<size_t>(std::max<int64_t>(1, bytes)), 1), std::free);
    if (memory.back() == nullptr) return machineLacks(fmt::format("{} bytes for {} are not to be had", bytes, buffer.name));
    args.buffers.push_back(memory.back().get());
    args.elements.push_back(bytes / bytesOf(program.buffers[i].element));
    std::vector<int64_t> strides = denseStrides(spec.extents());
    args.strides.insert(args.strides.end(), strides.begin(), strides.begin() + buffer.strides);
  }
  return interpretSome(program, args, kSteps);
}

Result<KernelRef> kernelFromLoops(const std::string& file, const OpDesc& op, const Schedule& schedule, const Target& target,
                                  const DimValues& dims) {
  auto program = programFromLoops(file, op, schedule, target);
  if (!program) return program.error();
  KernelInfo info = kernelInfoOf(*program, op, schedule);
  OpDesc bound = fixed(op, dims);
  if (auto good = tryLoops(*program, info, bound, dims); !good)
    return good.error().code == ErrorCode::BadInput ? badInput(fmt::format("{}: {}", escaped(file), good.error().message)) : good.error();
  auto api = codegenModule();
  if (!api) return api.error();
  auto object = (*api)->emitObject(*program, kKernelSymbol);
  if (!object && object.error().code == ErrorCode::Machine) return object.error();
  if (!object) return badInput(fmt::format("{}: {}", escaped(file), object.error().message));
  auto code = (*api)->linkObject(*object, kKernelSymbol);
  if (!code) return code.error();
  return std::make_shared<const CompiledKernel>(CompiledKernel{info, code->entry, code->owner, file, 0});
}

Result<void> writeOut(std::string_view text) {
  if (text.empty() || (std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0)) return {};
  int why = errno;
  if (why == EPIPE) std::_Exit(0);  // `| head`: nobody reads any more
  return machineLacks(fmt::format("stdout: cannot write: {}", std::strerror(why)));
}

Result<void> writeResult(const std::string& text, const std::string& file) {
  return file.empty() || file == "-" ? writeOut(text) : writeFileAtomically(file, text);
}

Result<ScheduleChoice> chooseFor(const KernelLibrary& library, const OpEntry& entry, const CommandLine& line) {
  if (line.has("schedule") || entry.schedule.empty()) return library.choose(entry.op, line.get("schedule"));
  auto choice = library.choose(entry.op, entry.schedule);
  if (!choice) return badInput(fmt::format("{}: op '{}': {}", entry.at, escaped(entry.id), choice.error().message));
  return choice;
}

void sayIfBusy(double coreShare, const std::string& so) {
  constexpr double kAlone = 0.93;  // interrupts and the like take a percent or two
  if (coreShare < kAlone)
    logWarning(fmt::format("other programs run on every core, this one had {:.0f} % of one: {}", 100 * coreShare, so));
}

bool wantsProgress(const CommandLine& line) { return !line.has("quiet") && ::isatty(STDERR_FILENO) != 0; }

Result<void> checkMemory(const OpDesc& op, double copies) {
  double needed = minBytesOf(op) * copies;
  auto there = static_cast<double>(hostMemory().mostBytes);
  if (needed <= there) return {};
  return machineLacks(fmt::format("{}: needs about {} with its copies, there is {}", text(op), humanBytes(needed), humanBytes(there)));
}

}  // namespace quern
