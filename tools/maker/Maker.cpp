// tools/maker/Maker.cpp — `quern-maker`: writes a GGUF with random weights in a named shape, for timing and for tests where no
// trained model is at hand.
#include "compiler/base/Text.h"
#include "models/files/Gguf.h"
#include "models/files/MappedFile.h"
#include "tools/Program.h"
#include "tools/maker/RandomModel.h"
#include "tools/maker/Vocabulary.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fmt/format.h>
#include <unistd.h>

namespace quern {

namespace {

struct MakerCommand {
  RandomModel model;
  std::string vocab, out;
  bool help = false;
};

std::string helpText() {
  std::string shapes;
  for (const ModelShape& s : modelShapes())
    shapes += fmt::format("  {:<11} width {}, {} layers, {} heads, {} key/value heads, hidden {}, vocabulary {}, context {}\n", s.name,
                          s.width, s.layers, s.heads, s.kvHeads, s.hidden, s.vocab, s.context);
  return fmt::format(
      "quern-maker SHAPE [--type T] [--seed S] [--vocab FILE] [--tied] -o FILE: writes a GGUF of the Llama family with random weights.\n\n"
      "Shapes:\n{}\n"
      "  --type T      {} (default f32); norms stay f32. Matrices whose rows are no whole\n"
      "                blocks of T become q8_0. q4_K_M: attn_v, ffn_down and the head q6_K, the others q4_K\n"
      "  --seed S      of the weights (default 1); the same seed gives the same weights in every type, rounded\n"
      "  --vocab FILE  takes the vocabulary and its size from this GGUF; else a synthetic one\n"
      "  --tied        the head is the token embedding\n"
      "  -o FILE       what to write\n\n"
      "Examples:\n  quern-maker llama-110m --type q8_0 -o llama-110m-q8_0.gguf\n  quern-maker tiny --type q4_K_M --tied -o tiny.gguf\n",
      shapes, join(weightMixNames(), " "));
}

Result<ModelShape> shapeOf(const std::string& name) {
  std::vector<std::string> names;
  for (const ModelShape& shape : modelShapes()) {
    if (shape.name == name) return shape;
    names.emplace_back(shape.name);
  }
  return badCommand(fmt::format("unknown shape '{}'{}; shapes: {}", escaped(name), didYouMean(name, names), join(names, " ")));
}

/// Sets what a flag says. Errors: BadCommand.
Result<void> setFlag(MakerCommand& command, const std::string& flag, const std::string& value) {
  if (flag == "-o") {
    command.out = value;
  } else if (flag == "--vocab") {
    command.vocab = value;
  } else if (flag == "--seed") {
    auto seed = parseInt(value);
    if (!seed || *seed < 0) return badCommand(fmt::format("--seed {} is not a whole number from 0", escaped(value)));
    command.model.seed = static_cast<uint64_t>(*seed);
  } else if (flag == "--type") {
    auto mix = weightMixOf(value);
    if (!mix) return badCommand(fmt::format("--type {} is none of {}", escaped(value), join(weightMixNames(), " ")));
    command.model.mix = *mix;
  } else {
    return badCommand(fmt::format("unknown flag '{}'; quern-maker --help lists them", escaped(flag)));
  }
  return {};
}

Result<MakerCommand> parseCommand(const std::vector<std::string>& args) {
  MakerCommand command;
  command.model.mix = *weightMixOf("f32");
  std::vector<std::string> words;
  for (size_t i = 0; i < args.size(); ++i) {
    if (args[i] == "--help" || args[i] == "-h") {
      command.help = true;
      return command;
    }
    if (args[i] == "--tied") {
      command.model.tied = true;
    } else if (!args[i].starts_with("-")) {
      words.push_back(args[i]);
    } else {
      bool last = i + 1 == args.size();
      if (auto good = setFlag(command, args[i], last ? "" : args[i + 1]); !good) return good.error();
      if (last) return badCommand(fmt::format("{} needs a value", args[i]));
      ++i;
    }
  }
  if (words.size() != 1) return badCommand("one shape is needed; quern-maker --help lists them");
  auto shape = shapeOf(words[0]);
  if (!shape) return shape.error();
  command.model.shape = *shape;
  if (command.out.empty()) return badCommand("-o FILE is needed");
  return command;
}

/// Per cent done, to people only.
class Progress {
public:
  explicit Progress(int64_t all) : all_(all), shown_(isatty(STDERR_FILENO) == 0 ? 101 : -1) {}
  ~Progress() {
    if (shown_ >= 0 && shown_ <= 100) std::fputs("\r\033[K", stderr);
  }

  void add(int64_t weights) {
    done_ += weights;
    auto percent = static_cast<int>(100 * done_ / all_);
    if (percent <= shown_) return;
    shown_ = percent;
    std::fprintf(stderr, "\r%d%%", percent);
  }

private:
  int64_t all_, done_ = 0;
  int shown_;  ///< 101: nothing is shown
};

/// Gives a line about what was written.
Result<std::string> make(RandomModel model, const std::string& vocab, const std::string& path) {
  std::optional<MappedFile> vocabFile;
  GgufFile vocabGguf;
  if (!vocab.empty()) {
    auto file = MappedFile::open(vocab);
    if (!file) return file.error();
    vocabFile = std::move(*file);
    auto gguf = parseGguf(vocabFile->text(), vocab);
    if (!gguf) return gguf.error();
    vocabGguf = std::move(*gguf);
    auto size = vocabularySize(vocabGguf.metadata);
    if (!size) return size.error();
    model.shape.vocab = *size;
  }
  std::vector<MadeTensor> tensors = tensorsOf(model);
  int64_t weights = 0, bytes = 0, replaced = 0;
  for (const MadeTensor& tensor : tensors) {
    weights += *elementsOf(tensor.shape);
    bytes += *tensorBytes(tensor.type, tensor.shape);
    replaced += tensor.replaced ? 1 : 0;
  }
  Progress progress(weights);
  GgufWriter writer;
  addArchitecture(model, writer);
  if (vocab.empty()) {
    syntheticVocabulary(model.shape.vocab, writer);
  } else if (auto good = copyVocabulary(vocabGguf.metadata, writer); !good) {
    return good.error();
  }
  for (const MadeTensor& tensor : tensors)
    writer.tensor(tensor.name, tensor.type, tensor.shape, randomTensor(tensor, model.seed, [&](int64_t count) { progress.add(count); }));
  if (auto good = writer.write(path); !good) return good.error();
  std::string note = replaced == 0 ? ""
                                   : fmt::format("; rows of {} are no whole blocks of {}: q8_0 or f16",
                                                 counted(static_cast<size_t>(replaced), "tensor"), model.mix.name);
  return fmt::format("{}: {} {}, {:.1f} million weights, {}{}\n", escapedShort(path), model.shape.name, model.mix.name,
                     static_cast<double>(weights) / 1e6, humanBytes(static_cast<double>(bytes)), note);
}

Result<int> run(const std::vector<std::string>& args) {
  auto command = parseCommand(args);
  if (!command) return command.error();
  auto text = command->help ? Result(helpText()) : make(command->model, command->vocab, command->out);
  if (!text) return text.error();
  if (std::fputs(text->c_str(), stdout) < 0 || std::fflush(stdout) != 0)
    return machineLacks(fmt::format("stdout: cannot write: {}", std::strerror(errno)));
  return 0;
}

}  // namespace

}  // namespace quern

int main(int argc, char** argv) {
  return quern::runProgram("quern-maker", [=] { return quern::run({argv + 1, argv + argc}); });
}
