// tools/quern/commands/Show.cpp — `quern show OP --stage S`: the kernel at any stage, for any CPU.
#include "compiler/base/Text.h"
#include "compiler/jit/CodegenModule.h"
#include "compiler/jit/LoopsKernel.h"
#include "compiler/loops/ir/LoopPrinter.h"
#include "compiler/loops/Lower.h"
#include "compiler/loops/maths/MathFunctions.h"
#include "tools/quern/cli/Json.h"
#include "tools/quern/commands/Command.h"
#include "tools/quern/cli/Library.h"
#include "compiler/op/Workload.h"
#include "tuner/SearchSpace.h"

#include <algorithm>
#include <fmt/format.h>

namespace quern {

static const CommandInfo kShowInfo = {
    "show", "OP|--loops FILE [--stage schedule|space|signature|loops|llvm|llvm-opt|asm|reference]", "the kernel at any stage, for any CPU",
    "  quern show matmul m=64 n=64 k=64\n"
    "  quern show \"softmax x=16x128\" --stage loops --cpu haswell\n"
    "  quern show matmul m=64 n=64 k=64 --stage loops > k.loops; quern show matmul m=64 n=64 k=64 --loops k.loops --stage asm\n"
    "  quern show --loops k.loops --stage llvm-opt\n"};

namespace {

struct Shown {
  OpDesc op;
  ScheduleChoice choice;
  Target target;
};

/// The maths functions in the kernel: lanes, range, error, form.
std::string mathsText(const Shown& shown) {
  const IsaLevel& isa = shown.target.isa();
  std::string out, lanes = "1";
  for (const ScheduleKeyInfo& key : keysOf(shown.choice.schedule))
    if (key.key == "lanes") lanes = key.value;
  for (LoopOp fn : mathsOf(shown.op, shown.choice.schedule, shown.target))
    if (const ActivationInfo* info = mathsInfo(fn))
      out += fmt::format("  {}\n", text(*info, static_cast<int>(parseInt(lanes).value_or(1)), isa.fma, isa.tableLookup));
  return out.empty() ? "" : "\nmaths\n" + out;
}

Result<std::string> scheduleText(const Shown& shown) {
  auto space = readSearchSpace("default");
  if (!space) return space.error();
  std::string out =
      fmt::format("{}\ncpu {}\nschedule ({}) {}\n\n", text(shown.op), shown.target.name, shown.choice.from, text(shown.choice.schedule));
  for (const ScheduleKeyInfo& key : keysOf(shown.choice.schedule)) {
    std::vector<std::string> legal = legalValues(*space, shown.choice.schedule, key.key, shown.op, shown.target);
    if (legal.empty()) legal = key.words.empty() ? std::vector<std::string>{key.value} : key.words;
    out += fmt::format("  {:<9} {:>6}   {}; tune tries: {}\n", key.key, key.value, key.meaning, join(legal, " "));
  }
  return out + mathsText(shown);
}

Result<std::string> spaceText(const Shown& shown) {
  auto space = readSearchSpace("default");
  if (!space) return space.error();
  std::vector<Candidate> candidates = candidatesOf(*space, shown.op, usualDims(shown.op), shown.target);
  std::string out = fmt::format("# {} on {}: {} schedules, of {} combinations in {}, the default first, then best predicted first\n",
                                text(shown.op), shown.target.name, candidates.size(), sizeOf(*space, shown.op).combinations, space->file);
  for (const Candidate& candidate : candidates)
    out += fmt::format("{}  # predicted {:.3g} of the default's cost: {}\n", text(candidate.schedule),
                       candidate.cost.cycles / std::max(1e-30, candidates[0].cost.cycles), text(candidate.cost));
  return out;
}

/// The same for programs: every schedule with what it should cost.
Result<std::string> spaceJson(const Shown& shown) {
  auto space = readSearchSpace("default");
  if (!space) return space.error();
  std::vector<Candidate> candidates = candidatesOf(*space, shown.op, usualDims(shown.op), shown.target);
  Json list = Json::array();
  for (const Candidate& candidate : candidates) {
    const ScheduleCost& cost = candidate.cost;
    list.push_back({{"schedule", text(candidate.schedule)},
                    {"predicted", cost.cycles / std::max(1e-30, candidates[0].cost.cycles)},
                    {"cycles", cost.cycles},
                    {"slots", cost.slots},
                    {"bytes", {{"l1", cost.bytes[0]}, {"l2", cost.bytes[1]}, {"l3", cost.bytes[2]}, {"memory", cost.bytes[3]}}},
                    {"waste", cost.waste}});
  }
  return jsonText({{"op", text(shown.op)},
                   {"cpu", shown.target.name},
                   {"combinations", sizeOf(*space, shown.op).combinations},
                   {"space", space->file},
                   {"schedules", list}});
}

std::string referenceText(const OpDesc& op) {
  std::string out = fmt::format("{}\n", text(op));
  for (const OpListing& row : listOps())
    if (row.name == nameOf(op)) out += fmt::format("  {}\n", row.meaning);
  auto line = [&](std::string_view role, const TensorSpec& spec) {
    std::vector<std::string> dims;
    for (const TensorDim& dim : spec.dims) dims.push_back(dim.any() ? dim.name : fmt::format("{}={}", dim.name, dim.value));
    out += fmt::format("  {:<6} {:<9} {} [{}]{}\n", role, spec.name, text(spec.type), join(dims, ", "), spec.weight ? " weight" : "");
  };
  for (const TensorSpec& spec : inputsOf(op)) line("input", spec);
  line("output", outputOf(op));
  if (runtimeDims(op).empty()) out += fmt::format("  {:.6g} flop, {} at least moved\n", flopsOf(op), humanBytes(minBytesOf(op)));
  return out + "  computed in double by compiler/reference; limits: compiler/README.md, Error limits\n";
}

Result<LoopProgram> programOf(const Shown& shown, const std::string& loopsFile) {
  if (!loopsFile.empty()) return readLoopsFor(loopsFile, shown.op, shown.choice.schedule, shown.target);
  return lower(shown.op, shown.choice.schedule, shown.target);
}

Result<std::string> emittedText(const LoopProgram& program, const std::string& stage) {
  auto api = codegenModule();
  if (!api) return api.error();
  return (*api)->emitText(program, stage == "llvm" ? EmitStage::Llvm : stage == "llvm-opt" ? EmitStage::LlvmOpt : EmitStage::Asm);
}

Result<std::string> stageText(const std::string& stage, const Shown& shown, const std::string& loopsFile) {
  if (stage == "schedule") return scheduleText(shown);
  if (stage == "space") return spaceText(shown);
  if (stage == "reference") return referenceText(shown.op);
  auto program = programOf(shown, loopsFile);
  if (!program) return program.error();
  if (stage == "loops") return text(*program);
  if (stage == "signature")
    return text(kernelInfoOf(*program, shown.op, shown.choice.schedule)) +
           "call void quern_kernel(const QuernArgs* args, int64_t taskBegin, int64_t taskEnd)\n" + mathsText(shown);
  return emittedText(*program, stage);
}

/// A program that stands for itself: of no op, for its own contract.
Result<std::string> freeText(const std::string& stage, const std::string& loopsFile) {
  if (stage != "loops" && stage != "llvm" && stage != "llvm-opt" && stage != "asm")
    return badCommand(fmt::format("show: --stage {} needs an op; without one: loops, llvm, llvm-opt, asm", stage));
  auto program = readLoops(loopsFile);
  if (!program) return program.error();
  return stage == "loops" ? text(*program) : emittedText(*program, stage);
}

}  // namespace

static Result<int> runShow(std::vector<std::string> args) {
  CommandLine line(kShowInfo, std::move(args));
  line.common({"cpu", "schedule", "cache", "json"})
      .value("stage", "STAGE", "schedule", "schedule, space, signature, loops, llvm, llvm-opt, asm, reference");
  line.value("loops", "FILE", "", "this loop program in place of the generated one; without an op for the CPU that it names");
  auto go = ready(line);
  if (!go || !*go) return go ? Result<int>(0) : Result<int>(go.error());
  const std::vector<std::string> stages = {"schedule", "space", "signature", "loops", "llvm", "llvm-opt", "asm", "reference"};
  std::string stage = line.get("stage");
  if (std::find(stages.begin(), stages.end(), stage) == stages.end())
    return badCommand(fmt::format("show: unknown stage '{}'{}; stages: {}", escaped(stage), didYouMean(stage, stages), join(stages, " ")));
  if (line.has("json") && stage != "space") return badCommand("show: --json goes with --stage space");
  if (line.words().empty() && line.has("loops")) {
    for (const char* flag : {"cpu", "schedule", "cache"})
      if (line.has(flag)) return badCommand(fmt::format("show: --{} goes with an op; a loop program alone names what it is for", flag));
    auto shown = freeText(line.has("stage") ? stage : "loops", line.get("loops"));
    if (!shown) return shown.error();
    if (auto good = writeResult(*shown); !good) return good.error();
    return 0;
  }
  auto entry = opFromWords(line.words());
  if (!entry) return entry.error();
  auto library = libraryOf(line, false);
  if (!library) return library.error();
  auto choice = chooseFor(**library, *entry, line);
  if (!choice) return choice.error();
  if (line.has("loops"))
    if (auto read = readLoopsFor(line.get("loops"), entry->op, choice->schedule, (*library)->target()); !read) return read.error();
  if (line.has("json")) {
    auto json = spaceJson({entry->op, *choice, (*library)->target()});
    if (!json) return json.error();
    auto good = writeResult(*json, line.get("json"));
    return good ? Result<int>(0) : Result<int>(good.error());
  }
  auto shown = stageText(stage, {entry->op, *choice, (*library)->target()}, line.get("loops"));
  if (!shown) return shown.error();
  if (auto good = writeResult(*shown); !good) return good.error();
  return 0;
}

Command showCommand() { return {kShowInfo, runShow}; }

}  // namespace quern
