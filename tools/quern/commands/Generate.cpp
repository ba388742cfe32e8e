// tools/quern/commands/Generate.cpp — `quern generate`: text, or ids, as a model goes on.
#include "compiler/base/Text.h"
#include "models/Generator.h"
#include "models/ModelText.h"
#include "models/ProductArithmetic.h"
#include "models/StopText.h"
#include "models/tokenizer/TextStream.h"
#include "tools/quern/commands/Command.h"
#include "tools/quern/cli/ModelOpen.h"
#include "tools/quern/cli/ModelRun.h"
#include "tools/quern/cli/SamplerFlags.h"
#include "tools/quern/cli/TextInput.h"
#include "compiler/base/Clock.h"

#include <algorithm>
#include <cstdio>
#include <fmt/format.h>
#include <unistd.h>

namespace quern {

static const CommandInfo kGenerateInfo = {"generate", "-m M [-p PROMPT|-f FILE|--ids 1,2,3] [-n N]", "text as a model goes on",
                                          "  quern generate -m model.gguf -p \"Once upon a time\" -n 100\n"
                                          "  quern generate -m folder -f prompt.txt --temp 0 --kv f16\n"
                                          "  quern generate -m model.gguf --ids 1,403,407 --print-ids --seed 7\n"};

namespace {

/// What the command line asks for.
struct Request {
  std::string prompt;
  std::vector<int32_t> ids;
  std::string arithmetic;  ///< of the products, and the --compute it comes of; "": it is exact
  bool hasIds = false, printIds = false, echo = false;
  int64_t count = -1;  ///< new ids at most; -1: until the text ends or the context is full
  std::vector<std::string> stops;
  SamplerOptions sampler;
};

Result<Request> requestOf(const CommandLine& line) {
  Request request;
  int given = line.has("prompt") + line.has("file") + line.has("ids");
  if (given > 1) return badCommand("generate: one of --prompt, --file and --ids");
  if (line.has("special") && line.has("ids")) return badCommand("generate: --special is about text; --ids are taken as they are");
  if (!line.words().empty()) return badCommand(fmt::format("generate: '{}' goes behind --prompt", escaped(line.words()[0])));
  request.prompt = line.get("prompt");
  if (line.has("file")) {
    auto text = readText(line.get("file"));
    if (!text) return text.error();
    request.prompt = std::move(*text);
  }
  request.hasIds = line.has("ids");
  if (request.hasIds) {
    auto ids = idsOf("ids", line.get("ids"));
    if (!ids) return ids.error();
    request.ids = std::move(*ids);
  }
  request.printIds = line.has("print-ids");
  request.echo = line.has("echo");
  auto count = numberOf(line);
  if (!count) return count.error();
  request.count = *count;
  auto stops = stopsOf(line);
  if (!stops) return stops.error();
  if (!stops->empty() && request.printIds) return badCommand("generate: --stop is about text, --print-ids shows ids");
  request.stops = std::move(*stops);
  auto sampler = samplerOf(line);
  if (!sampler) return sampler.error();
  request.sampler = *sampler;
  return request;
}

/// One text being made, and shown.
class Generation {
public:
  Generation(const CommandLine& line, Session& session, const Tokenizer* tokenizer, const Request& request, Generator generator)
      : line_(line), session_(session), request_(request), generator_(std::move(generator)), stop_(request.stops) {
    if (tokenizer != nullptr && !request.printIds)
      stream_.emplace(*tokenizer, request.echo || std::all_of(request.ids.begin(), request.ids.end(),
                                                              [&](int32_t id) { return tokenizer->isControl(id); }));
  }

  /// Errors   BadInput: a prompt longer than the context; NaN in the logits.
  Result<int> run(const Stop& interrupted) {
    started_ = nowSeconds();
    if (request_.ids.empty())
      return badCommand("generate: the prompt has no tokens, and the model begins no text by itself; --prompt or --ids");
    if (request_.echo && promptTokens() <= session_.context())
      for (int32_t id : request_.ids)
        if (auto good = show(id); !good) return good.error();
    auto through = promptShown(line_, request_.ids.size(), interrupted,
                               [&](const Session::GoOn& goOn) { return generator_.prompt(request_.ids, goOn); });
    if (!through) return through.error();
    through_ = *through;
    prefilled_ = nowSeconds();
    while (through_ == promptTokens() && !interrupted.asked() && !stop_.stopped()) {
      auto next = generator_.next();
      if (!next) return next.error();
      if (!*next) break;
      if (first_ == 0) first_ = nowSeconds();
      if (auto good = show(**next, true); !good) return good.error();
    }
    if (stream_) {
      if (auto good = writeOut(stop_.add(stream_->flush())); !good) return good.error();
      if (auto good = writeOut(stop_.flush()); !good) return good.error();
    }
    if (auto good = writeOut("\n"); !good) return good.error();
    ended_ = nowSeconds();
    return interrupted.asked() ? interruptedStatus() : 0;
  }

  std::string timings(double programStart) const {
    auto rate = [](int64_t tokens, double seconds) { return seconds > 0 ? static_cast<double>(tokens) / seconds : 0; };
    std::string out = fmt::format("prefill {} tokens in {}, {:.1f} tokens/s", through_, humanTime((prefilled_ - started_) * 1e9),
                                  rate(through_, prefilled_ - started_));
    int64_t made = generator_.made();
    if (made > 1)
      out +=
          fmt::format("; decode {} in {}, {:.1f} tokens/s", made - 1, humanTime((ended_ - first_) * 1e9), rate(made - 1, ended_ - first_));
    if (first_ > 0) out += fmt::format("; first token {} after the start", humanTime((first_ - programStart) * 1e9));
    if (!request_.arithmetic.empty()) out += "\ncomputed " + request_.arithmetic;
    if (promptTokens() + made > session_.context()) out += fmt::format("\nthe context of {} is full", session_.context());
    if (!seedGiven(line_) && request_.sampler.temperature > 0) out += fmt::format("\nseed {}", request_.sampler.seed);
    return out;
  }

private:
  int64_t promptTokens() const { return static_cast<int64_t>(request_.ids.size()); }

  /// Stop strings are looked for in what is `made`.
  Result<void> show(int32_t id, bool made = false) {
    if (!stream_) return writeOut(fmt::format("{}{}", shown_++ == 0 ? "" : ",", id));
    auto text = stream_->add(id);
    if (!text) return text.error();
    return writeOut(made ? stop_.add(*text) : *text);
  }

  const CommandLine& line_;
  Session& session_;
  const Request& request_;
  Generator generator_;
  std::optional<TextStream> stream_;
  StopText stop_;
  int64_t through_ = 0, shown_ = 0;  ///< of the prompt; printed
  double started_ = 0, prefilled_ = 0, first_ = 0, ended_ = 0;
};

/// That control tokens in a prompt are text, where nobody asked for them.
void sayControlTokens(const CommandLine& line, const Tokenizer& tokenizer, const std::string& prompt) {
  if (line.has("special") || line.has("quiet")) return;
  auto ids = tokenizer.encode(prompt, {.addBos = false, .parseSpecial = true});
  auto found = ids ? std::find_if(ids->begin(), ids->end(), [&](int32_t id) { return tokenizer.isControl(id); }) : decltype(ids->begin())();
  if (!ids || found == ids->end()) return;
  auto spelled = tokenizer.spelling(*found);
  std::fprintf(stderr,
               "the prompt spells control tokens (%s), which are read as text: --special reads them as themselves, and chat writes a "
               "model's conversations\n",
               spelled ? escapedShort(*spelled).c_str() : "?");
}

}  // namespace

static Result<int> runGenerate(std::vector<std::string> args) {
  double programStart = nowSeconds();
  CommandLine line(kGenerateInfo, std::move(args));
  modelFlags(line)
      .value("prompt", "TEXT", "", "what the text begins with", 'p')
      .value("file", "FILE", "", "the prompt is in this file; -: in stdin", 'f')
      .value("ids", "1,2,3", "", "the prompt as token ids, taken as they are");
  samplerFlags(line, "new tokens at most (default, and -1: until the text ends or the context is full)");
  line.toggle("echo", "the prompt first")
      .toggle("special", "control tokens spelled in the prompt are read as themselves")
      .toggle("print-ids", "ids instead of text");
  auto go = ready(line);
  if (!go || !*go) return go ? Result<int>(0) : Result<int>(go.error());
  auto request = requestOf(line);
  if (!request) return request.error();
  auto opened = openModelToRun(line);
  if (!opened) return opened.error();
  ModelSource* source = &opened->source;
  if (auto products = productsOf(*source); products && anyRounds(*products))
    request->arithmetic = fmt::format("{}: {}", nameOf(source->compute), text(*products));
  auto words = ModelText::read(*source);
  if (!words) return words.error();
  const Tokenizer* tokenizer = words->tokenizer();
  if (tokenizer == nullptr && (!request->hasIds || !request->printIds)) {
    bool unnamed = source->files == nullptr || (source->files->format() != WeightFormat::Gguf && source->files->tokenizerPath().empty());
    if (unnamed && (request->hasIds || source->files == nullptr))
      return badInput(fmt::format("{}: has no tokenizer: --ids with --print-ids work, text does not", escaped(line.get("model"))));
    return words->needTokenizer().error();
  }
  if (!request->hasIds) {
    auto ids = tokenizer->encode(request->prompt, {.parseSpecial = line.has("special")});
    if (!ids) return ids.error();
    request->ids = std::move(*ids);
    sayControlTokens(line, *tokenizer, request->prompt);
    if (request->ids.empty() && tokenizer->bos() >= 0) request->ids = {tokenizer->bos()};
  }
  auto running = loadModel(line, std::move(*opened));
  if (!running) return running.error();
  auto generator = Generator::make(*running->session, words->drawable(running->session->config().vocab),
                                   {request->sampler, request->count, [&](int32_t id) { return words->endsAt(id); }});
  if (!generator) return generator.error();
  Generation generation(line, *running->session, tokenizer, *request, std::move(*generator));
  auto status = generation.run(interruption());  // until here a signal ends the program: there is nothing to keep
  if (status && !line.has("quiet")) std::fprintf(stderr, "%s\n", generation.timings(programStart).c_str());
  return status;
}

Command generateCommand() { return {kGenerateInfo, runGenerate}; }

}  // namespace quern
