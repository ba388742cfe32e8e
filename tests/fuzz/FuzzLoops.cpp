// tests/fuzz/FuzzLoops.cpp — any text as a loop program: refused in plain words, or printed and read back it is the same, and the
// interpreter runs it and leaves no buffer. Built by run.
#include "compiler/loops/ir/LoopInterpreter.h"
#include "compiler/loops/ir/LoopParser.h"
#include "compiler/loops/ir/LoopPrinter.h"
#include "compiler/loops/ir/LoopVerifier.h"
#include "tests/fuzz/FuzzSupport.h"

using namespace quern;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  auto program = parseLoops({reinterpret_cast<const char*>(data), size}, "x.loops");
  checkAnswer(program);
  if (!program) return 0;
  auto good = verifyLoops(*program);
  checkAnswer(good);
  if (!good) return 0;
  std::string printed = text(*program);
  auto again = parseLoops(printed, "printed.loops");
  QUERN_CHECK_FOR(again && text(*again) == printed, printed);
  constexpr int64_t kExtent = 7, kStride = 16, kElements = 4096, kSteps = 20000;
  std::vector<std::vector<uint32_t>> memory(program->buffers.size(), std::vector<uint32_t>(kElements));
  LoopArgs args{{}, std::vector<int64_t>(program->dims.size(), kExtent), std::vector<int64_t>(program->strideParams.size(), kStride), {}};
  for (size_t i = 0; i < program->buffers.size(); ++i) {
    args.buffers.push_back(memory[i].data());
    args.elements.push_back(kElements);
  }
  checkAnswer(interpretSome(*program, args, kSteps));
  return 0;
}
