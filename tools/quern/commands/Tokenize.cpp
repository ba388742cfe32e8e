// tools/quern/commands/Tokenize.cpp — `quern tokenize`: a text's token ids as a model's tokenizer gives them.
#include "compiler/base/Text.h"
#include "models/ModelSource.h"
#include "models/tokenizer/HfTokenizer.h"
#include "models/tokenizer/ModelTokenizer.h"
#include "tools/quern/commands/Command.h"
#include "tools/quern/cli/Json.h"
#include "tools/quern/cli/ModelOpen.h"
#include "tools/quern/cli/TextInput.h"
#include "tools/recorded/NamedModel.h"

#include <fmt/format.h>

namespace quern {

static const CommandInfo kTokenizeInfo = {
    "tokenize", "--model M [--ids] TEXT", "a text's token ids, and what each stands for",
    "  quern tokenize -m model.gguf \"Once upon a time\"\n  quern tokenize -m folder --file story.txt --no-bos\n"
    "  quern generate -m model.gguf --ids $(quern tokenize -m model.gguf --ids \"Once upon\")\n"};

/// The text of the words, or of --file.
static Result<std::string> textOf(const CommandLine& line) {
  std::string file = line.get("file");
  if (file.empty() == line.words().empty())
    return badCommand(file.empty() ? "tokenize: TEXT is missing, or --file F" : "tokenize: TEXT and --file, one of the two is needed");
  if (file.empty()) return join(line.words(), " ");
  return readText(file);
}

/// What an id stands for, control tokens by their names.
static Result<std::string_view> shownToken(const Tokenizer& tokenizer, int32_t id) {
  return tokenizer.isControl(id) ? tokenizer.spelling(id) : tokenizer.piece(id);
}

static Result<std::string> report(const Tokenizer& tokenizer, std::span<const int32_t> ids, bool onlyIds) {
  std::string out;
  for (int32_t id : ids) {
    auto token = shownToken(tokenizer, id);
    if (!token) return token.error();
    out += onlyIds ? fmt::format("{}{}", out.empty() ? "" : ",", id) : fmt::format("{}\t{}\n", id, escaped(*token));
  }
  return onlyIds ? out + "\n" : out;
}

static Result<Json> jsonReport(const Tokenizer& tokenizer, const std::string& model, std::span<const int32_t> ids) {
  Json tokens = Json::array();
  for (int32_t id : ids) {
    auto token = shownToken(tokenizer, id);
    if (!token) return token.error();
    tokens.push_back({{"id", id}, {"text", std::string(*token)}, {"control", tokenizer.isControl(id)}});
  }
  return Json{{"model", escaped(model)},
              {"vocabulary", tokenizer.size()},
              {"ids", std::vector<int32_t>(ids.begin(), ids.end())},
              {"tokens", tokens}};
}

/// A folder needs nothing but its tokenizer's files.
static Result<Tokenizer> tokenizerOf(const CommandLine& line, const std::string& model) {
  std::string path = tokenizerFileIn(model);
  if (!line.has("ignore-key") && !path.empty()) {
    auto data = readHfTokenizer(path);
    return data ? Tokenizer::make(std::move(*data)) : Result<Tokenizer>(data.error());
  }
  auto files = openFilesOf(line);
  return files ? readModelTokenizer(*files) : Result<Tokenizer>(files.error());
}

static Result<int> runTokenize(std::vector<std::string> args) {
  CommandLine line(kTokenizeInfo, std::move(args));
  modelFlag(line.common({"json"}),
            "a .gguf file, or a folder with tokenizer.json, tokenizer.model, vocab.json and merges.txt, or vocab.txt")
      .value("bundle", "DIR", "", "the model in this bundle (quern emit --weights)")
      .value("file", "F", "", "the text is in this file; -: in stdin", 'f');
  line.toggle("ids", "only the ids, with commas between")
      .toggle("no-bos", "no begin-of-text and no end-of-text, whatever the model says")
      .toggle("special", "control tokens spelled in the text are read as themselves");
  auto go = ready(line);
  if (!go || !*go) return go ? Result<int>(0) : Result<int>(go.error());
  auto path = modelPathOf(line);
  if (!path) return path.error();
  const std::string& model = *path;
  if (!namesModelFiles(model))
    return badCommand(
        fmt::format("tokenize: --model {} has no tokenizer; a .gguf file has, or a folder with a tokenizer's files", escapedShort(model)));
  auto text = textOf(line);
  if (!text) return text.error();
  auto tokenizer = tokenizerOf(line, model);
  if (!tokenizer) return tokenizer.error();
  auto ids = tokenizer->encode(*text, {.addBos = !line.has("no-bos"), .addEos = !line.has("no-bos"), .parseSpecial = line.has("special")});
  if (!ids) return ids.error();
  if (line.has("json")) {
    auto json = jsonReport(*tokenizer, model, *ids);
    if (!json) return json.error();
    if (auto good = writeResult(jsonText(*json), line.get("json")); !good) return good.error();
    if (line.get("json") == "-") return 0;
  }
  auto out = report(*tokenizer, *ids, line.has("ids"));
  if (!out) return out.error();
  if (auto good = writeResult(*out); !good) return good.error();
  return 0;
}

Command tokenizeCommand() { return {kTokenizeInfo, runTokenize}; }

}  // namespace quern
