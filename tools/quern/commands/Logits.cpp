// tools/quern/commands/Logits.cpp — `quern logits` and `quern perplexity`: what a model thinks of given tokens.
#include "compiler/base/Text.h"
#include "tools/quern/commands/Command.h"
#include "tools/quern/cli/Json.h"
#include "tools/quern/cli/ModelOpen.h"
#include "tools/quern/cli/ModelRun.h"
#include "tools/quern/cli/Npy.h"
#include "tools/quern/cli/Progress.h"
#include "tools/quern/cli/TextInput.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fmt/format.h>

namespace quern {

static const CommandInfo kLogitsInfo = {"logits", "--model M --ids 1,2,3 -o OUT.npy", "a model's logits for every one of these tokens",
                                        "  quern logits -m model.gguf --ids 1,403,407 -o logits.npy\n"};
static const CommandInfo kPerplexityInfo = {
    "perplexity", "--model M --file F", "how surprised a model is by a text: exp of the mean negative log likelihood",
    "  quern perplexity -m model.gguf --file text.txt\n  quern perplexity -m folder --file text.txt --context 512 --json -\n"};

static Result<int> runLogits(std::vector<std::string> args) {
  CommandLine line(kLogitsInfo, std::move(args));
  modelFlags(line).value("ids", "1,2,3", "", "token ids").value("output", "OUT.npy", "", "where [tokens, vocab] goes", 'o');
  auto go = ready(line);
  if (!go || !*go) return go ? Result<int>(0) : Result<int>(go.error());
  if (!line.has("ids")) return badCommand("logits: --ids 1,2,3 is missing");
  if (!line.has("output")) return badCommand("logits: -o OUT.npy is missing");
  auto ids = idsOf("ids", line.get("ids"));
  if (!ids) return ids.error();
  auto running = loadModel(line);
  if (!running) return running.error();
  auto count = static_cast<int64_t>(ids->size()), vocab = running->session->config().vocab;
  if (count > running->session->context())
    return badInput(fmt::format("--ids has {} tokens, the context {}", count, running->session->context()));
  std::vector<float> logits(static_cast<size_t>(count * vocab));
  auto through = promptShown(line, ids->size(), interruption(),
                             [&](const Session::GoOn& goOn) { return running->session->forward(*ids, 0, count, logits.data(), goOn); });
  if (!through) return through.error();
  if (*through < count) return interruptedStatus();
  const int64_t shape[] = {count, vocab};
  if (auto good = writeNpy(line.get("output"), shape, logits); !good) return good.error();
  return 0;
}

/// -log of what the softmax of `logits` gives to `id`, in double. NaN where a logit is.
static double surprise(std::span<const float> logits, int32_t id) {
  double top = -INFINITY, sum = 0;
  for (float each : logits) top = std::isnan(each) ? NAN : std::max<double>(top, each);
  for (float each : logits) sum += std::exp(each - top);
  return top + std::log(sum) - logits[static_cast<size_t>(id)];
}

struct SurpriseSum {
  double total = 0;
  int64_t counted = 0;
};

static constexpr int64_t kSurpriseRows = 128;  // whose logits are kept at once

/// Over all ids but the first of each window of the model's context, every window from an empty cache. Ends where a signal came.
static Result<SurpriseSum> sumSurprise(const CommandLine& line, Session& model, std::span<const int32_t> ids, const Stop& interrupted) {
  int64_t vocab = model.config().vocab, window = model.context(), all = static_cast<int64_t>(ids.size());
  std::vector<float> logits(static_cast<size_t>(std::min(kSurpriseRows, all) * vocab));
  SurpriseSum sum;
  ProgressBar bar(wantsProgress(line), "perplexity", tokensText);
  for (int64_t first = 0; first + 1 < all; first += window) {
    int64_t end = std::min(first + window, all);
    for (int64_t at = first; at < end && !interrupted.asked(); at += kSurpriseRows) {
      int64_t rows = std::min(kSurpriseRows, end - at);
      if (auto good = model.forward(ids.subspan(static_cast<size_t>(at), static_cast<size_t>(rows)), at - first, rows, logits.data());
          !good)
        return good.error();
      for (int64_t r = 0; r < rows && at + r + 1 < end; ++r, ++sum.counted)
        sum.total += surprise(std::span(logits).subspan(static_cast<size_t>(r * vocab), static_cast<size_t>(vocab)),
                              ids[static_cast<size_t>(at + r + 1)]);
      bar.show(static_cast<double>(at + rows), static_cast<double>(all));
    }
  }
  return sum;
}

static Result<int> runPerplexity(std::vector<std::string> args) {
  CommandLine line(kPerplexityInfo, std::move(args));
  modelFlags(line)
      .value("file", "F", "", "the text, taken as its bytes are; -: stdin", 'f')
      .value("json", "FILE", "", "results as JSON; - is stdout");
  auto go = ready(line);
  if (!go || !*go) return go ? Result<int>(0) : Result<int>(go.error());
  if (!line.has("file")) return badCommand("perplexity: --file F is missing");
  auto text = readText(line.get("file"));
  if (!text) return text.error();
  auto opened = openModelToRun(line);
  if (!opened) return opened.error();
  const ModelSource* source = &opened->source;
  if (source->files == nullptr) return badInput(fmt::format("{}: has no tokenizer", escaped(line.get("model"))));
  auto tokenizer = readModelTokenizer(*source->files);
  if (!tokenizer) return tokenizer.error();
  auto ids = tokenizer->encode(*text);
  if (!ids) return ids.error();
  if (ids->size() < 2) return badInput(fmt::format("{}: {} tokens, 2 are needed", escaped(line.get("file")), ids->size()));
  auto running = loadModel(line, std::move(*opened), kSurpriseRows);
  if (!running) return running.error();
  Stop interrupted = interruption();
  if (running->session->context() < 2) return badInput("a context of 1 leaves nothing to tell from: 2 are needed");
  auto sum = sumSurprise(line, *running->session, *ids, interrupted);
  if (!sum) return sum.error();
  auto [total, counted] = *sum;
  if (interrupted.asked())
    std::fprintf(stderr, "%s: interrupted: %lld of %zu tokens were read\n", programInfo().name, static_cast<long long>(counted),
                 ids->size());
  if (counted == 0) return interruptedStatus();  // two tokens and a context of two: one counts
  if (std::isnan(total))
    return badInput(fmt::format("{}: the logits hold NaN; `quern info --check` says whether the weights do", escaped(line.get("model"))));
  double mean = total / static_cast<double>(counted);
  if (line.has("json"))
    if (auto good = writeResult(jsonText(Json{{"perplexity", std::exp(mean)}, {"nll_sum", total}, {"tokens", counted}}), line.get("json"));
        !good)
      return good.error();
  int status = interrupted.asked() ? interruptedStatus() : 0;
  if (line.get("json") == "-") return status;
  if (auto good = writeResult(fmt::format("perplexity {:.6f} over {} tokens (negative log likelihood {:.6f}, {:.6f} a token)\n",
                                          std::exp(mean), counted, total, mean));
      !good)
    return good.error();
  return status;
}

Command logitsCommand() { return {kLogitsInfo, runLogits}; }

Command perplexityCommand() { return {kPerplexityInfo, runPerplexity}; }

}  // namespace quern
