// models/Conversation.cpp — see Conversation.h.
#include "models/Conversation.h"

#include "compiler/base/Text.h"
#include "models/SessionFile.h"
#include "models/StopText.h"
#include "models/tokenizer/TextStream.h"

#include <algorithm>
#include <fmt/format.h>

namespace quern {

namespace {

/// "NAME 5 MORE\nHello\n"
std::string section(const std::string& name, std::string_view content, const std::string& more = "") {
  return fmt::format("{} {}{}\n{}\n", name, content.size(), more, content);
}

struct Section {
  std::string name, content, more;
};

/// The next section, which is taken away. Nothing: there is none.
std::optional<Section> takeSection(std::string_view& note) {
  constexpr size_t kMostLine = 64;  // a name and two numbers
  size_t line = note.substr(0, kMostLine).find('\n');
  if (line == std::string_view::npos) return std::nullopt;
  std::vector<std::string> words = split(note.substr(0, line), ' ');
  if (words.size() < 2 || words.size() > 3) return std::nullopt;
  auto bytes = parseInt(words[1]);
  note.remove_prefix(line + 1);
  if (!bytes || *bytes < 0 || static_cast<size_t>(*bytes) >= note.size() || note[static_cast<size_t>(*bytes)] != '\n') return std::nullopt;
  std::string content(note.substr(0, static_cast<size_t>(*bytes)));
  note.remove_prefix(content.size() + 1);
  return Section{words[0], std::move(content), words.size() == 3 ? words[2] : ""};
}

}  // namespace

std::optional<int32_t> Conversation::controlId(const std::string& text) const {
  auto ids = tokenizer().encode(text, {.addBos = false, .parseSpecial = true});
  if (!ids || ids->empty() || !tokenizer().isControl((*ids)[0])) return std::nullopt;
  return (*ids)[0];
}

Result<Conversation> Conversation::make(Session& session, const ModelText& words, ChatTemplate chat) {
  auto tokenizer = words.needTokenizer();
  if (!tokenizer) return tokenizer.error();
  auto names = ChatNames::of(**tokenizer);
  if (!names) return names.error();
  Conversation out(session, words, std::move(chat));
  out.names_ = std::move(*names);
  const ChatForm& form = out.chat_.form();
  std::string end;
  for (char c : form.assistant.after) end += c == kEosMark ? out.names_.eos : std::string(1, c);
  end = trim(end);
  if (auto id = out.controlId(end)) out.ends_.push_back(*id);
  else if (!end.empty()) out.stops_.push_back(end);
  if (!form.goesOn.empty()) out.goesOn_ = out.controlId(form.goesOn);
  if (!form.contentMark.empty()) out.mark_ = out.controlId(form.contentMark);
  return out;
}

Result<void> Conversation::setSystem(std::optional<std::string> text) {
  if (text && chat_.form().systemPlace == SystemPlace::Refused)
    return badInput(fmt::format("the chat template ({}) has no place for a system message", chat_.family()));
  if (!messages_.empty() && messages_[0].role == "system") messages_.erase(messages_.begin());
  if (text) messages_.insert(messages_.begin(), {"system", std::move(*text)});
  return {};
}

void Conversation::clear() {
  size_t first = !messages_.empty() && messages_[0].role == "system" ? 1 : 0;
  messages_.resize(first);
}

bool Conversation::endsAt(int32_t id) const {
  if (goesOn_ == id) return false;
  return words_.endsAt(id) || std::find(ends_.begin(), ends_.end(), id) != ends_.end();
}

/// What was said before as the ids it was made of; the rest begins with a control token, across which nothing merges.
Result<std::vector<int32_t>> Conversation::idsOf(const ChatText& chat) const {
  if (knownText_.empty() || !chat.text.starts_with(knownText_)) return encodeChat(tokenizer(), chat);
  std::vector<TextRange> written;
  for (const TextRange& each : chat.written)
    if (each.end > knownText_.size())
      written.push_back({std::max(each.begin, knownText_.size()) - knownText_.size(), each.end - knownText_.size()});
  auto rest =
      tokenizer().encode(std::string_view(chat.text).substr(knownText_.size()), {.addBos = false, .parseSpecial = true, .within = written});
  if (!rest || rest->empty() || !tokenizer().isControl((*rest)[0])) return encodeChat(tokenizer(), chat);
  std::vector<int32_t> ids = known_;
  ids.insert(ids.end(), rest->begin(), rest->end());
  return ids;
}

/// The conversation's text and ids, which leave a position for an answer.
Result<ChatText> Conversation::fitting(const AnswerOptions& options, Answer& answer, std::vector<int32_t>& ids) {
  size_t first = messages_[0].role == "system" ? 1 : 0;
  while (true) {
    auto text = chat_.render(messages_, names_);
    if (!text) return text;
    auto made = idsOf(*text);
    if (!made) return made.error();
    ids = std::move(*made);
    if (ids.empty()) return badInput("the conversation has no tokens");
    if (static_cast<int64_t>(ids.size()) < session_.context()) return text;
    if (!options.dropOldest || messages_.size() < first + 3)
      return badInput(fmt::format("the conversation has {} tokens and the context {} positions, which leaves none for an answer",
                                  ids.size(), session_.context()));
    int64_t going = messages_[first + 1].role == "assistant" ? 2 : 1;
    auto begin = messages_.begin() + static_cast<std::ptrdiff_t>(first);
    messages_.erase(begin, begin + going);
    answer.dropped += going;
  }
}

Result<std::string> Conversation::answerOf(Generator& generator, const AnswerOptions& options, const Show& show, const Stop& stop,
                                           Answer& answer) {
  std::vector<std::string> stops = options.stops;
  stops.insert(stops.end(), stops_.begin(), stops_.end());
  StopText stopText(std::move(stops));
  TextStream stream(tokenizer(), true);
  std::string said;
  auto take = [&](std::string_view text) {
    knownText_ += text;
    std::string_view now = stopText.add(text);
    said += now;
    return show(now);
  };
  while (!stop.asked() && !stopText.stopped()) {
    auto next = generator.next();
    if (!next) return next.error();
    if (!*next) break;
    known_.push_back(**next);
    if (mark_ == **next) {  // what came before it was no part of the answer
      said.clear();
      if (auto good = show("\n"); !good) return good.error();
    }
    auto text = stream.add(**next);
    if (!text) return text.error();
    if (auto good = take(*text); !good) return good.error();
  }
  if (auto good = take(stream.flush()); !good) return good.error();
  std::string_view rest = stopText.flush();
  said += rest;
  if (auto good = show(rest); !good) return good.error();
  answer.end = Answer::End::Text;
  if (generator.ended() == Generator::End::Count) answer.end = Answer::End::Count;
  if (generator.ended() == Generator::End::Context) answer.end = Answer::End::Context;
  if (generator.ended() == Generator::End::None && !stopText.stopped()) answer.end = Answer::End::Asked;
  return said;
}

Result<Answer> Conversation::say(const std::string& said, const AnswerOptions& options, const Show& show, const Stop& stop,
                                 const std::function<void(int64_t, int64_t)>& progress) {
  const std::vector<ChatMessage> before = messages_;
  auto unsaid = [&](Error error) {
    messages_ = before;
    return error;
  };
  messages_.push_back({"user", said});
  Answer answer;
  std::vector<int32_t> ids;
  auto text = fitting(options, answer, ids);
  if (!text) return unsaid(text.error());
  auto same = static_cast<size_t>(std::mismatch(cached_.begin(), cached_.end(), ids.begin(), ids.end()).first - cached_.begin());
  same = std::min(same, ids.size() - 1);
  if (!session_.keeps(static_cast<int64_t>(same))) same = 0;
  answer.ids = static_cast<int64_t>(ids.size());
  answer.kept = static_cast<int64_t>(same);
  SamplerOptions sampler = options.sampler;
  sampler.seed += answers_++;
  auto generator = Generator::make(session_, words_.drawable(session_.config().vocab),
                                   {sampler, options.count, [this](int32_t id) { return endsAt(id); }});
  if (!generator) return unsaid(generator.error());
  cached_.resize(same);
  auto through = generator->prompt(
      ids,
      [&](int64_t done) {
        if (progress) progress(answer.kept + done, answer.ids);
        return !stop.asked();
      },
      answer.kept);
  if (!through) return unsaid(through.error());
  cached_.assign(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(*through));
  if (*through < answer.ids) {
    messages_ = before;
    answer.end = Answer::End::Asked;
    return answer;
  }
  known_ = std::move(ids);
  knownText_ = std::move(text->text);
  auto answered = answerOf(*generator, options, show, stop, answer);
  cached_.assign(known_.begin(), known_.begin() + static_cast<std::ptrdiff_t>(generator->past()));
  answer.made = generator->made();
  if (!answered) return unsaid(answered.error());
  messages_.push_back({"assistant", std::move(*answered)});
  return answer;
}

Result<void> Conversation::save(const std::string& path) {
  // Of the known ids the cache has all, or all but the last.
  bool whole = known_.size() - cached_.size() <= 1 && std::equal(cached_.begin(), cached_.end(), known_.begin());
  std::string last = whole && known_.size() > cached_.size() ? fmt::format(" {}", known_.back()) : "";
  std::string note = section("known", whole ? knownText_ : "", last);
  for (const ChatMessage& each : messages_) note += section(each.role, each.content);
  return saveSession(path, session_, {cached_, note});
}

Result<void> Conversation::load(const std::string& path) {
  auto saved = loadSession(path, session_);
  if (!saved) return saved.error();
  cached_ = std::move(saved->ids);
  known_ = cached_;
  knownText_.clear();
  auto bad = [&] { return badInput(fmt::format("{}: what it holds beside the cache is no conversation", escaped(path))); };
  std::string_view note = saved->note;
  auto known = takeSection(note);
  if (!known || known->name != "known") return bad();
  if (!known->more.empty()) {
    auto last = parseInt(known->more);
    if (!last || *last < 0 || *last >= session_.config().vocab) return bad();
    known_.push_back(static_cast<int32_t>(*last));
  }
  std::vector<ChatMessage> messages;
  while (!note.empty()) {
    auto next = takeSection(note);
    bool good =
        next && next->more.empty() && (next->name == "user" || next->name == "assistant" || (next->name == "system" && messages.empty()));
    if (!good) return bad();
    messages.push_back({std::move(next->name), std::move(next->content)});
  }
  knownText_ = std::move(known->content);
  messages_ = std::move(messages);
  return {};
}

}  // namespace quern
