// tools/quern/commands/Chat.cpp — `quern chat`: a conversation with a model, in a terminal or line by line through a pipe.
#include "compiler/base/Clock.h"
#include "compiler/base/Text.h"
#include "models/Conversation.h"
#include "tools/quern/cli/LineReader.h"
#include "tools/quern/cli/ModelOpen.h"
#include "tools/quern/cli/ModelRun.h"
#include "tools/quern/cli/Progress.h"
#include "tools/quern/cli/SamplerFlags.h"
#include "tools/quern/commands/ChatRendered.h"
#include "tools/quern/commands/Command.h"

#include <cstdio>
#include <fmt/format.h>

namespace quern {

static const CommandInfo kChatInfo = {"chat", "-m M [--system TEXT] [-p MESSAGE]", "a conversation with a model",
                                      "  quern chat -m model.gguf --system \"Answer in one sentence.\"\n"
                                      "  quern chat -m folder --chat-template chatml --temp 0 --kv q8\n"
                                      "  quern chat -m model.gguf --render messages.json\n"};

static constexpr const char* kHelp =
    "/help           this\n"
    "/system TEXT    what the model is told of itself from now on; without TEXT nothing\n"
    "/clear          forgets what was said\n"
    "/save FILE      the conversation with the model's cache of it\n"
    "/load FILE      goes on with a saved one\n"
    "/quit           ends, as Ctrl-D does; Ctrl-C ends an answer\n"
    "A line that ends with a backslash goes on in the next one; //text says /text.\n";

namespace {

/// What a person sees and types.
class Talk {
public:
  Talk(const CommandLine& line, Conversation& conversation, AnswerOptions options, int64_t context)
      : line_(line), conversation_(conversation), options_(std::move(options)), context_(context) {}

  Result<int> run() {
    if (line_.has("prompt")) {
      if (reader_.terminal())
        if (auto good = writeOut(fmt::format("> {}\n", line_.get("prompt"))); !good) return good.error();
      if (auto good = say(line_.get("prompt")); !good) return good.error();
    }
    while (true) {
      auto typed = reader_.next();
      if (!typed) return typed.error();
      if (!*typed) break;
      if ((*typed)->starts_with('/') && !(*typed)->starts_with("//")) {
        auto goOn = command(**typed);
        if (!goOn) {
          if (!reader_.terminal()) return goOn.error();
          std::fprintf(stderr, "%s: %s\n", programInfo().name, goOn.error().message.c_str());
        } else if (!*goOn) {
          return failed_;
        }
        continue;
      }
      if (trim(**typed).empty()) continue;
      if (auto good = say((*typed)->starts_with("//") ? (*typed)->substr(1) : **typed); !good) return good.error();
    }
    if (reader_.terminal())
      if (auto good = writeOut("\n"); !good) return good.error();
    return failed_;
  }

private:
  /// Whether the conversation goes on.
  Result<bool> command(const std::string& typed) {
    size_t blank = typed.find(' ');
    std::string name = typed.substr(0, blank), rest(blank == std::string::npos ? "" : trim(typed.substr(blank)));
    auto done = [](Result<void> result) { return result ? Result<bool>(true) : Result<bool>(result.error()); };
    if (name == "/quit" || name == "/exit") return false;
    if (name == "/help") return done(writeOut(kHelp));
    if (name == "/clear") {
      conversation_.clear();
      return true;
    }
    if (name == "/system") return done(conversation_.setSystem(rest.empty() ? std::optional<std::string>() : rest));
    if (name == "/save" || name == "/load") {
      if (rest.empty()) return badCommand(fmt::format("chat: {} needs a file", name));
      return done(name == "/save" ? conversation_.save(rest) : conversation_.load(rest));
    }
    const std::string known[] = {"/help", "/system", "/clear", "/save", "/load", "/quit"};
    return badCommand(
        fmt::format("chat: {} is no command{}; /help lists them, //... says /...", escapedShort(name), didYouMean(name, known)));
  }

  void remark(const std::string& said) const {
    if (!line_.has("quiet")) std::fprintf(stderr, "%s\n", said.c_str());
  }

  /// A message and its answer. Where that message cannot be answered it is said why, and the conversation goes on.
  Result<void> say(const std::string& text) {
    double first = 0;
    bool open = false;  // the last line that was written
    ProgressBar bar(wantsProgress(line_), "prefill", tokensText);
    auto show = [&](std::string_view now) {
      if (first == 0) first = nowSeconds();
      bar.clear();
      if (!now.empty()) open = !now.ends_with('\n');
      return writeOut(now);
    };
    auto progress = [&](int64_t done, int64_t all) { bar.show(static_cast<double>(done), static_cast<double>(all)); };
    auto answer = conversation_.say(text, options_, show, patientInterruption(), progress);
    double seconds = nowSeconds() - first;
    bar.clear();
    heardInterruption();
    if (open)
      if (auto good = writeOut("\n"); !good) return good;
    if (!answer) {
      if (answer.error().code != ErrorCode::BadInput) return answer.error();
      std::fprintf(stderr, "%s: %s%s\n", programInfo().name, answer.error().message.c_str(),
                   conversation_.messages().size() > 1 ? ": /clear begins anew, --drop-oldest drops what was said first" : "");
      failed_ = static_cast<int>(ErrorCode::BadInput);
      return {};
    }
    if (answer->dropped > 0)
      remark(fmt::format("the context of {} was full: the oldest {} went", context_,
                         counted(static_cast<size_t>(answer->dropped), "message")));
    std::string said = fmt::format("[{} of {} tokens read", answer->ids - answer->kept, answer->ids);
    if (answer->made > 1) said += fmt::format(", {} made, {:.1f} tokens/s", answer->made, static_cast<double>(answer->made - 1) / seconds);
    else if (answer->made == 1) said += ", 1 made";
    remark(said + (answer->end == Answer::End::Asked ? ", interrupted]" : "]"));
    if (answer->end == Answer::End::Context)
      remark(fmt::format("the context of {} is full, the answer ends here: /clear begins anew, --drop-oldest drops what was said first",
                         context_));
    return {};
  }

  const CommandLine& line_;
  Conversation& conversation_;
  AnswerOptions options_;
  LineReader reader_;
  int64_t context_;
  int failed_ = 0;  ///< the status of a message that had no answer
};

/// --chat-template, else the file's own.
Result<ChatTemplate> templateFor(const CommandLine& line, const ModelSource& source) {
  if (line.has("chat-template")) return ChatTemplate::named(line.get("chat-template"));
  if (source.files == nullptr) return badInput(fmt::format("{}: has no chat template and no tokenizer", escaped(line.get("model"))));
  return ChatTemplate::ofFiles(*source.files);
}

Result<AnswerOptions> optionsOf(const CommandLine& line) {
  AnswerOptions options;
  auto count = numberOf(line);
  if (!count) return count.error();
  auto stops = stopsOf(line);
  if (!stops) return stops.error();
  auto sampler = samplerOf(line);
  if (!sampler) return sampler.error();
  options.count = *count;
  options.stops = std::move(*stops);
  options.sampler = *sampler;
  options.dropOldest = line.has("drop-oldest");
  return options;
}

}  // namespace

static Result<int> runChat(std::vector<std::string> args) {
  CommandLine line(kChatInfo, std::move(args));
  modelFlags(line)
      .value("prompt", "TEXT", "", "the first message", 'p')
      .value("system", "TEXT", "", "what the model is told of itself")
      .value("chat-template", "NAME", "", "how conversations are written, where the file's own template is not known (default: its own)");
  samplerFlags(line, "new tokens of an answer at most (default, and -1: until it ends or the context is full)")
      .toggle("drop-oldest", "what was said first goes where the context is full")
      .value("render", "FILE", "", "no conversation: those of this JSON file as the template writes them, as JSON; -: of stdin")
      .toggle("print-template", "no conversation: the text of --chat-template's template");
  auto go = ready(line);
  if (!go || !*go) return go ? Result<int>(0) : Result<int>(go.error());
  if (!line.words().empty()) return badCommand(fmt::format("chat: '{}' goes behind --prompt", escaped(line.words()[0])));
  if (line.has("print-template")) {
    if (!line.has("chat-template")) return badCommand("chat: --print-template prints that of --chat-template NAME");
    auto text = ChatTemplate::standard(line.get("chat-template"));
    if (!text) return text.error();
    auto good = writeOut(*text + "\n");
    return good ? Result<int>(0) : Result<int>(good.error());
  }
  auto options = optionsOf(line);
  if (!options) return options.error();
  auto opened = openModelToRun(line);
  if (!opened) return opened.error();
  auto chat = templateFor(line, opened->source);
  if (!chat) return chat.error();
  auto words = ModelText::read(opened->source);
  if (!words) return words.error();
  auto tokenizer = words->needTokenizer();
  if (!tokenizer) return tokenizer.error();
  if (line.has("render")) return renderConversations(line, *chat, **tokenizer);
  auto running = loadModel(line, std::move(*opened));
  if (!running) return running.error();
  auto conversation = Conversation::make(*running->session, *words, std::move(*chat));
  if (!conversation) return conversation.error();
  if (line.has("system"))
    if (auto good = conversation->setSystem(line.get("system")); !good) return good.error();
  const ChatForm& form = conversation->chat().form();
  if (!line.has("quiet")) {
    std::fprintf(stderr, "chat template %s, context %lld; /help lists commands\n", conversation->chat().family().c_str(),
                 static_cast<long long>(running->session->context()));
    if (line.has("system") && form.systemPlace == SystemPlace::Dropped)
      std::fprintf(stderr, "the chat template leaves the system message out\n");
  }
  auto status = Talk(line, *conversation, *options, running->session->context()).run();
  if (status && !line.has("quiet") && !seedGiven(line) && options->sampler.temperature > 0)
    std::fprintf(stderr, "seed %llu\n", static_cast<unsigned long long>(options->sampler.seed));
  return status;
}

Command chatCommand() { return {kChatInfo, runChat}; }

}  // namespace quern
