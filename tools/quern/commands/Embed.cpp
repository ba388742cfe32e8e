// tools/quern/commands/Embed.cpp — `quern embed`: a vector of each text, by a model that is an encoder.
#include "compiler/base/Text.h"
#include "models/TextEncoder.h"
#include "tools/quern/commands/Command.h"
#include "tools/quern/cli/Json.h"
#include "tools/quern/cli/ModelOpen.h"
#include "tools/quern/cli/ModelRun.h"
#include "tools/quern/cli/Npy.h"
#include "tools/quern/cli/Progress.h"
#include "tools/quern/cli/TextInput.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <fmt/format.h>

namespace quern {

static const CommandInfo kEmbedInfo = {
    "embed", "--model M TEXT... [-o OUT.npy]", "vectors of texts, by an encoder: near each other where texts mean the same",
    "  quern embed -m all-MiniLM-L6-v2 \"A cat sits.\" \"A dog runs.\"\n  quern embed -m model.gguf --file lines.txt -o vectors.npy\n"
    "  quern embed -m model.gguf \"A cat sits.\" --json -\n"};

/// The words, each a text, or the lines of --file.
static Result<std::vector<std::string>> textsOf(const CommandLine& line) {
  std::string file = line.get("file");
  if (file.empty() == line.words().empty())
    return badCommand(file.empty() ? "embed: TEXT is missing, or --file F" : "embed: TEXT and --file, one of the two is needed");
  if (file.empty()) return line.words();
  auto all = readText(file);
  if (!all) return all.error();
  std::vector<std::string> texts;
  for (std::string_view rest = *all; !rest.empty();) {
    size_t end = std::min(rest.find('\n'), rest.size());
    std::string_view text = rest.substr(0, end);
    texts.emplace_back(text.ends_with('\r') ? text.substr(0, text.size() - 1) : text);
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return texts;
}

/// The ids of each; those of a text that is too long are cut, as sentence-transformers cuts them, and said.
static Result<std::vector<std::vector<int32_t>>> idsOfTexts(const Tokenizer& tokenizer, const std::vector<std::string>& texts,
                                                            int64_t most) {
  std::vector<std::vector<int32_t>> all;
  size_t cut = 0;
  for (const std::string& text : texts) {
    auto ids = tokenizer.encode(text, {.addBos = true, .addEos = true});
    if (!ids) return ids.error();
    if (static_cast<int64_t>(ids->size()) > most) {
      int32_t last = ids->back();
      ids->resize(static_cast<size_t>(most));
      if (tokenizer.isControl(last)) ids->back() = last;
      ++cut;
    }
    all.push_back(std::move(*ids));
  }
  if (cut > 0) fmt::print(stderr, "embed: {} of {} texts are longer than {} tokens and were cut to that\n", cut, texts.size(), most);
  return all;
}

static Result<void> giveVectors(const CommandLine& line, const std::vector<std::string>& texts, int64_t width,
                                const std::vector<float>& vectors) {
  auto of = [&](size_t text) { return std::span(vectors).subspan(text * static_cast<size_t>(width), static_cast<size_t>(width)); };
  if (line.has("output")) {
    const int64_t shape[] = {static_cast<int64_t>(texts.size()), width};
    if (auto good = writeNpy(line.get("output"), shape, vectors); !good) return good;
  }
  if (line.has("json")) {
    Json all = Json::array();
    for (size_t i = 0; i < texts.size(); ++i) {
      std::vector<double> digits;  // as many as tell floats apart
      for (float each : of(i)) digits.push_back(std::strtod(shortest(each).c_str(), nullptr));
      all.push_back({{"text", texts[i]}, {"vector", digits}});
    }
    return writeResult(jsonText(Json{{"width", width}, {"texts", all}}), line.get("json"));
  }
  if (line.has("output")) return {};
  std::string out;
  for (size_t i = 0; i < texts.size(); ++i) {
    for (float each : of(i)) out += (out.empty() || out.back() == '\n' ? "" : " ") + shortest(each);
    out += "\n";
  }
  return writeResult(out);
}

static double seconds() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

/// On stderr, as generate does.
static void tellSpeed(const std::vector<std::vector<int32_t>>& ids, size_t done, double took) {
  size_t tokens = 0;
  for (size_t i = 0; i < done; ++i) tokens += ids[i].size();
  fmt::print(stderr, "{} text{} of {} tokens in {:.3g} ms, {:.1f} texts/s\n", done, done == 1 ? "" : "s", tokens, took * 1e3,
             static_cast<double>(done) / took);
}

static Result<int> runEmbed(std::vector<std::string> args) {
  CommandLine line(kEmbedInfo, std::move(args));
  encoderFlags(line)
      .value("json", "FILE", "", "vectors as JSON; - is stdout")
      .value("file", "F", "", "a text in each line of this file; -: of stdin", 'f')
      .value("output", "OUT.npy", "", "where [texts, width] goes", 'o')
      .toggle("raw", "vectors as they are, not brought to length 1");
  auto go = ready(line);
  if (!go || !*go) return go ? Result<int>(0) : Result<int>(go.error());
  auto texts = textsOf(line);
  if (!texts) return texts.error();
  if (texts->empty())
    return badInput(fmt::format("{}: has no texts, a line each", line.get("file") == "-" ? "stdin" : escaped(line.get("file"))));
  auto opened = openModelToRun(line);
  if (!opened) return opened.error();
  if (!opened->source.files) return badCommand("embed: --model has no tokenizer; a .gguf file or a folder with one has");
  auto tokenizer = readModelTokenizer(*opened->source.files);
  if (!tokenizer) return tokenizer.error();
  auto running = loadEncoder(line, std::move(*opened));
  if (!running) return running.error();
  TextEncoder& encoder = *running->encoder;
  auto ids = idsOfTexts(*tokenizer, *texts, encoder.model().context());
  if (!ids) return ids.error();
  int64_t width = encoder.model().config().width;
  std::vector<float> vectors(texts->size() * static_cast<size_t>(width));
  ProgressBar bar(wantsProgress(line), "embed", [](double count) { return fmt::format("{:.0f} texts", count); });
  Stop stop = interruption();
  double began = seconds();
  auto done = encoder.encode(*ids, !line.has("raw"), vectors.data(), [&](size_t so) {
    bar.show(static_cast<double>(so), static_cast<double>(texts->size()));
    return !stop.asked();
  });
  if (!done) return done.error();
  bar.clear();
  if (!line.has("quiet")) tellSpeed(*ids, *done, seconds() - began);
  if (*done < texts->size()) return interruptedStatus();
  if (auto good = giveVectors(line, *texts, width, vectors); !good) return good.error();
  return 0;
}

Command embedCommand() { return {kEmbedInfo, runEmbed}; }

}  // namespace quern
