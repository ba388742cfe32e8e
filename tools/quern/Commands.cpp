// tools/quern/Commands.cpp — the list of commands. Adding one is a line here and a file.
#include "tools/quern/Command.h"

namespace quern {

const std::vector<Command>& commands() {
  static const std::vector<Command> all = {
      {kCpuInfo, runCpu},           {kOpsInfo, runOps},         {kShowInfo, runShow},
      {kEvalInfo, runEval},         {kVerifyInfo, runVerify},   {kTuneInfo, runTune},
      {kBenchInfo, runBench},       {kCompareInfo, runCompare}, {kCacheInfo, runCache},
      {kEmitInfo, runEmit},         {kInfoInfo, runInfo},       {kTokenizeInfo, runTokenize},
      {kGenerateInfo, runGenerate}, {kLogitsInfo, runLogits},   {kPerplexityInfo, runPerplexity},
  };
  return all;
}

}  // namespace quern
