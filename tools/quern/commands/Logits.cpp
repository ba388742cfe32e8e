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

/// One window of ids, from an empty cache; what it counts is of its ids from `from` on, but for the first of the window.
struct Window {
  int64_t first = 0, end = 0, from = 0;
};

/// Without a stride windows of the context lie side by side. With one each begins so many ids behind the one before, and counts only what
/// no window before it has reached.
static std::vector<Window> windowsOf(int64_t ids, int64_t context, int64_t stride) {
  std::vector<Window> windows;
  for (int64_t first = 0, done = 0; done < ids && first + 1 < ids; first += stride == 0 ? context : stride) {
    int64_t end = std::min(first + context, ids);
    windows.push_back({first, end, std::max(done, first + 1)});
    done = end;
  }
  return windows;
}

/// Ends where a signal came.
static Result<SurpriseSum> sumSurprise(const CommandLine& line, Session& model, std::span<const int32_t> ids,
                                       std::span<const Window> windows, const Stop& interrupted) {
  auto vocab = static_cast<size_t>(model.config().vocab);
  std::vector<float> logits(static_cast<size_t>(std::min<int64_t>(kSurpriseRows, static_cast<int64_t>(ids.size()))) * vocab);
  int64_t all = 0, read = 0;
  for (const Window& each : windows) all += each.end - each.first;
  SurpriseSum sum;
  ProgressBar bar(wantsProgress(line), "perplexity", tokensText);
  for (const Window& window : windows) {
    for (int64_t at = window.first; at < window.end && !interrupted.asked(); at += kSurpriseRows) {
      int64_t rows = std::min(kSurpriseRows, window.end - at);
      auto good = model.forward(ids.subspan(static_cast<size_t>(at), static_cast<size_t>(rows)), at - window.first, rows, logits.data());
      if (!good) return good.error();
      for (int64_t r = std::max<int64_t>(0, window.from - 1 - at); r < rows && at + r + 1 < window.end; ++r, ++sum.counted)
        sum.total += surprise(std::span(logits).subspan(static_cast<size_t>(r) * vocab, vocab), ids[static_cast<size_t>(at + r + 1)]);
      read += rows;
      bar.show(static_cast<double>(read), static_cast<double>(all));
    }
  }
  return sum;
}

/// Windows side by side (stride 0), or N tokens apart.
struct Counted {
  int64_t stride = 0;
  SurpriseSum sum;
  double mean() const { return sum.total / static_cast<double>(sum.counted); }
};

static Result<void> reportPerplexity(const CommandLine& line, std::span<const Counted> results) {
  const Counted& own = results[0];
  auto numbers = [](const Counted& each) {
    return Json{{"perplexity", std::exp(each.mean())}, {"nll_sum", each.sum.total}, {"tokens", each.sum.counted}};
  };
  if (line.has("json")) {
    Json out = numbers(own);
    if (results.size() > 1) {
      Json strided = numbers(results[1]);
      out = Json{{"perplexity", std::exp(own.mean())},
                 {"nll_sum", own.sum.total},
                 {"tokens", own.sum.counted},
                 {"stride", results[1].stride},
                 {"strided", strided}};
    }
    if (auto good = writeResult(jsonText(out), line.get("json")); !good) return good;
  }
  if (line.get("json") == "-") return {};
  std::string text;
  for (const Counted& each : results)
    text += fmt::format("perplexity {:.6f} over {} tokens (negative log likelihood {:.6f}, {:.6f} a token){}\n", std::exp(each.mean()),
                        each.sum.counted, each.sum.total, each.mean(),
                        each.stride == 0 ? "" : fmt::format(", windows {} tokens apart as Hugging Face counts", each.stride));
  return writeResult(text);
}

static Result<int> runPerplexity(std::vector<std::string> args) {
  CommandLine line(kPerplexityInfo, std::move(args));
  modelFlags(line)
      .value("file", "F", "", "the text, taken as its bytes are; -: stdin", 'f')
      .value("stride", "N", "", "windows N tokens apart too, as Hugging Face counts: of each only the tokens that none before it had")
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
  Session& session = *running->session;
  if (session.context() < 2) return badInput("a context of 1 leaves nothing to tell from: 2 are needed");
  int64_t stride = 0;
  if (line.has("stride")) {
    auto given = line.number("stride", 1, session.context());
    if (!given) return given.error();
    stride = *given;
  }
  Stop interrupted = interruption();
  std::vector<Counted> results;
  for (int64_t each : stride == 0 ? std::vector<int64_t>{0} : std::vector<int64_t>{0, stride}) {
    auto sum = sumSurprise(line, session, *ids, windowsOf(static_cast<int64_t>(ids->size()), session.context(), each), interrupted);
    if (!sum) return sum.error();
    if (interrupted.asked()) {
      std::fprintf(stderr, "%s: interrupted: %lld of %zu tokens were read\n", programInfo().name, static_cast<long long>(sum->counted),
                   ids->size());
      if (sum->counted == 0 || each != 0) break;  // two tokens and a context of two: one counts
    }
    if (std::isnan(sum->total))
      return badInput(fmt::format("{}: the logits hold NaN; `quern info --check` says whether the weights do", escaped(line.get("model"))));
    results.push_back({each, *sum});
    if (interrupted.asked()) break;
  }
  if (!results.empty())
    if (auto good = reportPerplexity(line, results); !good) return good.error();
  return interrupted.asked() ? interruptedStatus() : 0;
}

Command logitsCommand() { return {kLogitsInfo, runLogits}; }

Command perplexityCommand() { return {kPerplexityInfo, runPerplexity}; }

}  // namespace quern
