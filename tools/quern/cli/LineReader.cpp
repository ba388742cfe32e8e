// tools/quern/cli/LineReader.cpp — see LineReader.h.
#include "tools/quern/cli/LineReader.h"

#include "tools/quern/cli/CommandLine.h"
#include "tools/quern/cli/Output.h"

#include <cerrno>
#include <clocale>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <fmt/format.h>
#include <histedit.h>
#include <unistd.h>

namespace quern {

static constexpr size_t kMostLine = size_t{1} << 20;
static constexpr const char* kPrompts[] = {"> ", ". "};  ///< of a message, of its further lines

/// libedit, by the functions that are needed of it: the program starts without it.
struct LineReader::Editor {
  decltype(&::el_init) init = nullptr;
  decltype(&::el_end) end = nullptr;
  decltype(&::el_gets) gets = nullptr;
  decltype(&::el_set) set = nullptr;
  decltype(&::history_init) historyInit = nullptr;
  decltype(&::history_end) historyEnd = nullptr;
  decltype(&::history) historyDo = nullptr;
  EditLine* line = nullptr;
  History* past = nullptr;

  Editor() = default;
  Editor(const Editor&) = delete;
  Editor& operator=(const Editor&) = delete;
  ~Editor() {
    if (past != nullptr) historyEnd(past);
    if (line != nullptr) end(line);
  }

  static std::unique_ptr<Editor> load() {
    void* library = ::dlopen("libedit.so.2", RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) return nullptr;
    auto editor = std::make_unique<Editor>();
    auto find = [&](auto& function, const char* name) {
      function = reinterpret_cast<std::decay_t<decltype(function)>>(::dlsym(library, name));
      return function != nullptr;
    };
    bool good = find(editor->init, "el_init") && find(editor->end, "el_end") && find(editor->gets, "el_gets") &&
                find(editor->set, "el_set") && find(editor->historyInit, "history_init") && find(editor->historyEnd, "history_end") &&
                find(editor->historyDo, "history");
    return good && editor->start() ? std::move(editor) : nullptr;
  }

  bool start() {
    // Characters of more than one byte are edited as what they are.
    if (std::setlocale(LC_CTYPE, "") == nullptr || MB_CUR_MAX == 1) std::setlocale(LC_CTYPE, "C.UTF-8");
    line = init(programInfo().name, stdin, stdout, stderr);
    past = line == nullptr ? nullptr : historyInit();
    if (past == nullptr) return false;
    constexpr int kRemembered = 1000;
    HistEvent event;
    historyDo(past, &event, H_SETSIZE, kRemembered);
    historyDo(past, &event, H_SETUNIQUE, 1);
    set(line, EL_EDITOR, "emacs");
    set(line, EL_SIGNAL, 1);  // the terminal is put back before a signal ends the program
    set(line, EL_HIST, historyDo, past);
    return true;
  }

  std::optional<std::string> read(bool more) {
    using Prompt = char* (*)(EditLine*);
    Prompt first = [](EditLine*) { return const_cast<char*>(kPrompts[0]); },
           further = [](EditLine*) { return const_cast<char*>(kPrompts[1]); };
    set(line, EL_PROMPT, more ? further : first);
    // Before the prompt and not behind it, as el_gets would: who types as soon as it is there must not find the terminal editing lines of
    // its own, where Ctrl-D is no key.
    set(line, EL_PREP_TERM, 1);
    int count = 0;
    const char* text = gets(line, &count);
    if (text == nullptr || count <= 0) return std::nullopt;
    HistEvent event;
    if (*text != '\n') historyDo(past, &event, H_ENTER, text);
    return std::string(text, static_cast<size_t>(count));
  }
};

LineReader::LineReader() : terminal_(::isatty(STDIN_FILENO) != 0 && ::isatty(STDOUT_FILENO) != 0) {
  if (terminal_) editor_ = Editor::load();
}

LineReader::~LineReader() = default;

Result<std::optional<std::string>> LineReader::single(bool more) {
  if (editor_ != nullptr) {
    auto text = editor_->read(more);
    if (text && text->ends_with('\n')) text->pop_back();
    return text;
  }
  if (terminal_)
    if (auto good = writeOut(kPrompts[more ? 1 : 0]); !good) return good.error();
  size_t end = 0;
  while ((end = ahead_.find('\n')) == std::string::npos) {
    if (ahead_.size() > kMostLine) return badInput(fmt::format("stdin: a line of more than {} bytes", kMostLine));
    char some[4096];
    ssize_t got = ::read(STDIN_FILENO, some, sizeof some);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return badInput(fmt::format("stdin: {}", std::strerror(errno)));
    if (got == 0) {
      if (ahead_.empty()) return std::optional<std::string>();
      return std::optional(std::exchange(ahead_, {}));
    }
    ahead_.append(some, static_cast<size_t>(got));
  }
  std::string line = ahead_.substr(0, end);
  ahead_.erase(0, end + 1);
  return std::optional(std::move(line));
}

Result<std::optional<std::string>> LineReader::next() {
  std::string all;
  for (bool more = false;; more = true) {
    auto line = single(more);
    if (!line) return line;
    if (!*line) return more ? std::optional(std::move(all)) : std::optional<std::string>();
    all += **line;
    if (all.size() > kMostLine) return badInput(fmt::format("stdin: a message of more than {} bytes", kMostLine));
    if (!all.ends_with('\\')) return std::optional(std::move(all));
    all.back() = '\n';
  }
}

}  // namespace quern
