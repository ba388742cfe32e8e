// models/chat/ChatMlFamilies.cpp — turns between <|im_start|> and <|im_end|>.
#include "models/chat/ChatFamily.h"

#include <fmt/format.h>

namespace quern {

namespace {

constexpr std::string_view kTurn = "'<|im_start|>'+message['role']+'\\n'+message['content']+'<|im_end|>\\n'";
constexpr std::string_view kSystemTurn = "'<|im_start|>system\\n'+messages[0]['content']+'<|im_end|>\\n'";
constexpr std::string_view kDefaultSystem = "'<|im_start|>system\\n*<|im_end|>\\n'";
constexpr std::string_view kAnswered = "'<|im_start|>'+message['role']+'\\n'+content";
constexpr std::string_view kTextsOnly =
    "{%if message['content']is string%}{%set content=message['content']%}{%else%}{%set content=''%}{%endif%}";
constexpr std::string_view kContentTurn = "'<|im_start|>'+message['role']+'\\n'+content+'<|im_end|>\\n'";
constexpr std::string_view kSystemMessage = "'<|im_start|>system\\n'+system_message+'<|im_end|>\\n'",
                           kGivenSystem = "messages[0]['content']";
constexpr std::string_view kNotFirst = "message['role']=='system'and not loop.first";  // the loop leaves out what stands in front of it
constexpr std::string_view kTurnEnd = "'<|im_end|>\\n'";
constexpr std::string_view kAnswer = "'<|im_start|>assistant\\n'";
constexpr std::string_view kThinkingAnswer = "'<|im_start|>assistant\\n<think>\\n'";

ChatForm chatMl() {
  ChatForm form;
  form.system = {"<|im_start|>system\n", "<|im_end|>\n"};
  form.user = {"<|im_start|>user\n", "<|im_end|>\n"};
  form.assistant = {"<|im_start|>assistant\n", "<|im_end|>\n"};
  form.answer = "<|im_start|>assistant\n";
  return form;
}

std::string systemTurn(const std::string& content) { return "<|im_start|>system\n" + content + "<|im_end|>\n"; }

/// The turn of a system message that the template sets where there is none: "" where it sets none, nothing where that is not told.
std::optional<std::string> systemThatIsSet(const TemplateReader& reader) {
  if (reader.setsOnly("system_message", {kGivenSystem})) return std::string();
  auto own = reader.stringBetween("{%set system_message='", "");
  return own && reader.setsOnly("system_message", {kGivenSystem, "'*'"}) ? std::optional(systemTurn(*own)) : std::nullopt;
}

/// The one that it writes where there is none.
std::optional<std::string> systemThatIsWritten(const TemplateReader& reader) {
  if (!reader.writes(kDefaultSystem)) return std::string();
  auto own = reader.stringBetween("'<|im_start|>system\\n", "<|im_end|>");
  return own ? std::optional(systemTurn(*own)) : std::nullopt;
}

/// Turn by turn, each in one piece or in two; newer ones take texts only.
std::optional<ChatForm> recogniseTurns(const TemplateReader& reader) {
  constexpr std::string_view kOpenTurn = "'<|im_start|>'+message['role']+'\\n'+message['content']";
  constexpr std::string_view kOpenSystem = "'<|im_start|>system\\n'+system_message";
  bool pieces = reader.writes(kOpenTurn) && reader.has("{%if(loop.last and add_generation_prompt)or not loop.last%}{{'<|im_end|>\\n'}}");
  bool texts = reader.writes(kContentTurn) && (!reader.writes(kAnswered) || reader.writes(kTurnEnd)) && reader.has(kTextsOnly) &&
               reader.setsOnly("content", {"message['content']", "''"});
  if (pieces + texts + reader.writes(kTurn) != 1 || !reader.writes(kAnswer) ||
      !reader.writesOnly({kTurn, pieces ? kOpenTurn : kTurn, texts ? kContentTurn : kTurn, texts ? kAnswered : kTurn, kSystemTurn,
                          kDefaultSystem, kSystemMessage, kOpenSystem, kTurnEnd, kAnswer, "bos_token", "eos_token"}))
    return std::nullopt;
  bool set = reader.writes(kSystemMessage) || reader.writes(kOpenSystem), first = set || reader.writes(kSystemTurn);
  if (first && !reader.hasAny({kNotFirst, "messages[1:]"})) return std::nullopt;
  if (set && reader.writes(kDefaultSystem)) return std::nullopt;
  if (reader.writes("eos_token") && !reader.has("{%elif messages[-1]['role']=='assistant'%}{{eos_token}}")) return std::nullopt;
  auto own = set ? systemThatIsSet(reader) : systemThatIsWritten(reader);
  if (!own) return std::nullopt;
  ChatForm form = chatMl();
  form.bos = reader.beginsWithBos();
  form.withoutSystem = *own;
  return form;
}

/// The answer's beginning behind each question, as Yi has it.
std::optional<ChatForm> recogniseQuestions(const TemplateReader& reader) {
  constexpr std::string_view kQuestion = "'<|im_start|>user\\n'+content+'<|im_end|>\\n<|im_start|>assistant\\n'";
  constexpr std::string_view kContinued = "content+'<|im_end|>\\n'";
  bool told = reader.writes(kQuestion) && reader.writes(kContinued) && reader.setsOnly("content", {"message['content']"}) &&
              reader.writesOnly({kQuestion, kContinued, kSystemMessage, "system_message"});
  auto system = systemThatIsSet(reader);
  if (!told || !system) return std::nullopt;
  ChatForm form = chatMl();
  form.withoutSystem = *system;
  if (reader.writes("system_message")) {
    if (!system->empty()) return std::nullopt;
    form.system = {};
  }
  form.user.after += form.answer;
  form.assistant.before.clear();
  form.answer.clear();
  return form;
}

std::optional<ChatForm> recogniseChatMl(const TemplateReader& reader) {
  if (reader.hasAny({"think>", "reasoning_", "last_query_index"})) return std::nullopt;
  auto form = recogniseTurns(reader);
  return form ? form : recogniseQuestions(reader);
}

/// Qwen 3: what was thought before the last question is left out.
std::optional<ChatForm> recogniseQwen3(const TemplateReader& reader) {
  constexpr std::string_view kThought =
      "'<|im_start|>'+message['role']+'\\n<think>\\n'+reasoning_content.strip('\\n')+'\\n</think>\\n\\n'+content.lstrip('\\n')";
  // Newer ones take texts only.
  bool texts = reader.writes(kContentTurn) &&
               reader.has("{%if message['content']is string%}{%set content=message['content']%}{%else%}{%set content=''%}{%endif%}");
  bool strips = reader.has(texts ? "{%set content=content.split('</think>')[-1].lstrip('\\n')%}"
                                 : "{%set content=message['content'].split('</think>')[-1].lstrip('\\n')%}");
  bool told = (reader.writes(kTurn) || texts) && reader.writes(kThought) && reader.writes(kAnswered) && strips &&
              reader.has(".split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n')%}") && reader.has("ns.last_query_index");
  if (!told || !reader.writesOnly({kTurn, kContentTurn, kSystemTurn, kThought, kAnswered, kAnswer, kThinkingAnswer, kTurnEnd,
                                   "'<think>\\n\\n</think>\\n\\n'"}))
    return std::nullopt;
  if (reader.writes(kSystemTurn) && !reader.has(kNotFirst)) return std::nullopt;
  bool thinks = reader.writes(kThinkingAnswer);
  if (thinks == reader.writes(kAnswer)) return std::nullopt;
  ChatForm form = chatMl();
  form.thoughts = Thoughts::UpToQuery;
  if (thinks) form.answer = "<|im_start|>assistant\n<think>\n";
  return form;
}

/// QwQ: what was thought is left out, whatever came behind it.
std::optional<ChatForm> recogniseQwq(const TemplateReader& reader) {
  constexpr std::string_view kWithout = "message['content'].split('</think>')[-1].lstrip('\\n')";
  bool told = reader.writes(kTurn) && reader.writes(kContentTurn) && reader.writes(kThinkingAnswer) &&
              (reader.setsOnly("content", {kWithout}) ||
               (reader.setsOnly("content", {kWithout, "message['content']"}) && reader.has("{%if not loop.last%}{%set content=message")));
  if (!told || !reader.writesOnly({kTurn, kContentTurn, kSystemTurn, kThinkingAnswer})) return std::nullopt;
  if (reader.writes(kSystemTurn) && !reader.has(kNotFirst)) return std::nullopt;
  ChatForm form = chatMl();
  form.thoughts = Thoughts::DroppedWithLines;
  form.answer = "<|im_start|>assistant\n<think>\n";
  return form;
}

/// OLMo 3: the system message says that there are no functions.
std::optional<ChatForm> recogniseOlmo3(const TemplateReader& reader) {
  constexpr std::string_view kNone = " You do not currently have access to any functions. <functions></functions><|im_end|>\\n";
  constexpr std::string_view kUser = "'<|im_start|>user\\n'+message['content']+'<|im_end|>\\n'";
  constexpr std::string_view kSystem = "'<|im_start|>system\\n'+message['content']", kThinks = "'<|im_start|>assistant\\n<think>'";
  constexpr std::string_view kOwn = "'<|im_start|>system\\n*<|im_end|>\\n'", kContent = "message['content']";
  const std::string none = fmt::format("'{}'", kNone), whole = fmt::format("{}+{}", kSystem, none);
  bool told = (reader.writes(whole) || (reader.writes(kSystem) && reader.writes(none))) && reader.writes(kUser) && reader.writes(kAnswer) &&
              reader.writes(kContent) && reader.writes(kTurnEnd) &&
              reader.has("{%if not loop.last%}{{'<|im_end|>\\n'}}{%else%}{{eos_token}}");
  const std::string_view known[] = {whole,
                                    kSystem,
                                    none,
                                    kUser,
                                    kAnswer,
                                    kThinks,
                                    kContent,
                                    kTurnEnd,
                                    "eos_token",
                                    kOwn,
                                    "'<|im_start|>environment\\n'+message['content']+'<|im_end|>\\n'"};
  if (!told || !reader.writesOnly(known)) return std::nullopt;
  auto own = systemThatIsWritten(reader);
  if (!own) return std::nullopt;
  ChatForm form = chatMl();
  form.system.after = " You do not currently have access to any functions. <functions></functions><|im_end|>\n";
  form.withoutSystem = *own;
  if (reader.writes(kThinks)) form.answer = "<|im_start|>assistant\n<think>";
  return form;
}

/// SmolLM 3: modes of reasoning.
std::optional<ChatForm> recogniseSmolLm3(const TemplateReader& reader) {
  constexpr std::string_view kThinkTurn = "'<|im_start|>assistant\\n'+content.lstrip('\\n')+'<|im_end|>\\n'";
  constexpr std::string_view kBriefTurn = "'<|im_start|>assistant\\n<think>\\n\\n</think>\\n'+content.lstrip('\\n')+'<|im_end|>\\n'";
  constexpr std::string_view kBriefAnswer = "'<|im_start|>assistant\\n<think>\\n\\n</think>\\n'";
  constexpr std::string_view kAll = "custom_instructions.replace('/system_override','').rstrip()+'<|im_end|>\\n'";
  constexpr std::string_view kFacts = "'## Metadata\\n\\nKnowledge Cutoff Date: June 2025\\n'";
  constexpr std::string_view kMode = "'Today Date: '~today~'\\nReasoning Mode: '+reasoning_mode+'\\n\\n## Custom Instructions\\n\\n'";
  constexpr std::string_view kSystem = "'<|im_start|>system\\n'", kAsked = "custom_instructions+'\\n\\n'", kOwn = "'*\\n\\n'";
  bool told = reader.writes(kThinkTurn) && reader.writes(kBriefTurn) && reader.writes(kAnswer) && reader.writes(kBriefAnswer) &&
              reader.writes(kContentTurn) && reader.writes(kAll) && reader.writes(kFacts) && reader.writes(kMode) &&
              reader.writes(kSystem) && reader.writes(kAsked) && reader.setsOnly("enable_thinking", {"true"}) &&
              reader.setsOnly("reasoning_mode", {"'/think'", "'/no_think'"}) && reader.setsOnly("today", {"strftime_now('%d %B %Y')"}) &&
              reader.setsOnly("custom_instructions", {"system_message.replace('/no_think','').replace('/think','').rstrip()"}) &&
              reader.setsOnly("content", {"message['content']if message['content']is string else''"}) &&
              reader.has("{%if'/no_think'in system_message%}{%set reasoning_mode='/no_think'%}") &&
              reader.has("{%if'/system_override'in system_message%}{{custom");
  auto own = reader.stringBetween("{%elif reasoning_mode=='/think'%}{{'", ""), brief = reader.stringBetween("\\n\\n'}}{%else%}{{'", "");
  if (!told || !own || !brief || reader.count(kOwn) != 2 ||
      !reader.writesOnly({kThinkTurn, kBriefTurn, kAnswer, kBriefAnswer, kContentTurn, kAll, kFacts, kMode, kSystem, kAsked, kOwn}))
    return std::nullopt;
  ChatForm form = chatMl();
  form.preamble = Preamble::Modes;
  form.thoughts = Thoughts::KeptWithoutLines;
  form.withoutSystem = *own;
  form.briefSystem = *brief;
  return form;
}

/// Phi-4: <|im_sep|> behind the role, no line ends.
std::optional<ChatForm> recognisePhi4(const TemplateReader& reader) {
  constexpr std::string_view kSystem = "'<|im_start|>system<|im_sep|>'+message['content']+'<|im_end|>'";
  constexpr std::string_view kUser = "'<|im_start|>user<|im_sep|>'+message['content']+'<|im_end|>'";
  constexpr std::string_view kAssistant = "'<|im_start|>assistant<|im_sep|>'+message['content']+'<|im_end|>'";
  constexpr std::string_view kSepAnswer = "'<|im_start|>assistant<|im_sep|>'";
  constexpr std::string_view kUserAnswer = "'<|im_start|>user<|im_sep|>'+message['content']+'<|im_end|><|im_start|>assistant<|im_sep|>'";
  constexpr std::string_view kContinued = "message['content']+'<|im_end|>'";
  ChatForm form;
  form.system = {"<|im_start|>system<|im_sep|>", "<|im_end|>"};
  form.user = {"<|im_start|>user<|im_sep|>", "<|im_end|>"};
  form.assistant = {"<|im_start|>assistant<|im_sep|>", "<|im_end|>"};
  form.answer = "<|im_start|>assistant<|im_sep|>";
  if (!reader.writes(kSystem)) form.systemPlace = SystemPlace::Dropped;
  if (reader.writes(kUser) && reader.writes(kAssistant) && reader.writes(kSepAnswer) &&
      reader.writesOnly({kSystem, kUser, kAssistant, kSepAnswer}))
    return form;
  // Phi-4-reasoning: one system turn for all conversations.
  constexpr std::string_view kOwn = "'<|im_start|>system<|im_sep|>*<|im_end|>'";
  if (reader.writes(kOwn) && reader.writes(kUser) && reader.writes(kAssistant) && reader.writes(kSepAnswer) &&
      reader.writesOnly({kOwn, kUser, kAssistant, kSepAnswer})) {
    auto own = reader.stringBetween("'<|im_start|>system<|im_sep|>", "<|im_end|>");
    if (!own) return std::nullopt;
    form.opening = form.system.before + *own + form.system.after;
    form.systemPlace = SystemPlace::Dropped;
    return form;
  }
  if (!reader.writes(kUserAnswer) || !reader.writes(kContinued) || !reader.writesOnly({kSystem, kUserAnswer, kContinued}))
    return std::nullopt;
  form.user.after += form.answer;
  form.assistant.before.clear();
  form.answer.clear();
  return form;
}

constexpr ChatFamily kFamilies[] = {
    {"chatml",
     "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}{% endfor %}"
     "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}",
     recogniseChatMl},
    {"qwen3",
     "{% set ns = namespace(last_query_index=messages|length - 1) %}{% for message in messages %}"
     "{% if message.role == 'user' and not (message.content.startswith('<tool_response>') and "
     "message.content.endswith('</tool_response>')) %}{% set ns.last_query_index = loop.index0 %}{% endif %}{% endfor %}"
     "{% for message in messages %}{% if message.role == 'user' or message.role == 'system' %}"
     "{{ '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}{% else %}"
     "{% set content = message.content %}{% set reasoning_content = '' %}{% if '</think>' in message.content %}"
     "{% set content = message.content.split('</think>')[-1].lstrip('\\n') %}"
     "{% set reasoning_content = message.content.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') %}{% endif %}"
     "{% if loop.index0 > ns.last_query_index and (loop.last or reasoning_content) %}"
     "{{ '<|im_start|>' + message.role + '\\n<think>\\n' + reasoning_content.strip('\\n') + '\\n</think>\\n\\n' + content.lstrip('\\n') }}"
     "{% else %}{{ '<|im_start|>' + message.role + '\\n' + content }}{% endif %}{{ '<|im_end|>\\n' }}{% endif %}{% endfor %}"
     "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}",
     recogniseQwen3},
    {"qwq",
     "{% for message in messages %}{% if message.role == 'assistant' %}"
     "{% set content = message.content.split('</think>')[-1].lstrip('\\n') %}"
     "{{ '<|im_start|>' + message.role + '\\n' + content + '<|im_end|>\\n' }}{% else %}"
     "{{ '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}{% endif %}{% endfor %}"
     "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n<think>\\n' }}{% endif %}",
     recogniseQwq},
    {"olmo3",
     "{% for message in messages %}{% if message['role'] == 'system' %}{{ '<|im_start|>system\\n' + message['content'] }}"
     "{{ ' You do not currently have access to any functions. <functions></functions><|im_end|>\\n' }}"
     "{% elif message['role'] == 'user' %}{{ '<|im_start|>user\\n' + message['content'] + '<|im_end|>\\n' }}"
     "{% elif message['role'] == 'assistant' %}{{ '<|im_start|>assistant\\n' }}{% if message['content'] is not none %}"
     "{{ message['content'] }}{% endif %}{% if not loop.last %}{{ '<|im_end|>\\n' }}{% else %}{{ eos_token }}{% endif %}{% endif %}"
     "{% if loop.last and add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}{% endfor %}",
     recogniseOlmo3},
    {"smollm3",
     "{% if enable_thinking is not defined %}{% set enable_thinking = true %}{% endif %}{% if enable_thinking %}"
     "{% set reasoning_mode = '/think' %}{% else %}{% set reasoning_mode = '/no_think' %}{% endif %}{{ '<|im_start|>system\\n' }}"
     "{% if messages[0]['role'] == 'system' %}{% set system_message = messages[0]['content'] %}{% if '/no_think' in system_message %}"
     "{% set reasoning_mode = '/no_think' %}{% elif '/think' in system_message %}{% set reasoning_mode = '/think' %}{% endif %}"
     "{% set custom_instructions = system_message.replace('/no_think', '').replace('/think', '').rstrip() %}{% endif %}"
     "{% if '/system_override' in system_message %}{{ custom_instructions.replace('/system_override', '').rstrip() + '<|im_end|>\\n' }}"
     "{% else %}{{ '## Metadata\\n\\nKnowledge Cutoff Date: June 2025\\n' }}{% set today = strftime_now('%d %B %Y') %}"
     "{{ 'Today Date: ' ~ today ~ '\\n' + 'Reasoning Mode: ' + reasoning_mode + '\\n\\n' + '## Custom Instructions\\n\\n' }}"
     "{% if custom_instructions %}{{ custom_instructions + '\\n\\n' }}{% elif reasoning_mode == '/think' %}"
     "{{ 'You are a helpful assistant, and think before you answer.\\n\\n' }}{% else %}{{ 'You are a helpful assistant.\\n\\n' }}"
     "{% endif %}{% endif %}{% for message in messages %}"
     "{% set content = message['content'] if message['content'] is string else '' %}{% if message['role'] == 'user' %}"
     "{{ '<|im_start|>' + message['role'] + '\\n' + content + '<|im_end|>\\n' }}{% elif message['role'] == 'assistant' %}"
     "{% if reasoning_mode == '/think' %}{{ '<|im_start|>assistant\\n' + content.lstrip('\\n') + '<|im_end|>\\n' }}{% else %}"
     "{{ '<|im_start|>assistant\\n<think>\\n\\n</think>\\n' + content.lstrip('\\n') + '<|im_end|>\\n' }}{% endif %}{% endif %}"
     "{% endfor %}{% if add_generation_prompt %}{% if reasoning_mode == '/think' %}{{ '<|im_start|>assistant\\n' }}{% else %}"
     "{{ '<|im_start|>assistant\\n<think>\\n\\n</think>\\n' }}{% endif %}{% endif %}",
     recogniseSmolLm3},
    {"phi4",
     "{% for message in messages %}{% if message['role'] == 'system' %}{{ '<|im_start|>system<|im_sep|>' + message['content'] + "
     "'<|im_end|>' }}{% elif message['role'] == 'user' %}{{ '<|im_start|>user<|im_sep|>' + message['content'] + '<|im_end|>' }}"
     "{% elif message['role'] == 'assistant' %}{{ '<|im_start|>assistant<|im_sep|>' + message['content'] + '<|im_end|>' }}"
     "{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant<|im_sep|>' }}{% endif %}",
     recognisePhi4},
};

}  // namespace

std::span<const ChatFamily> chatMlFamilies() { return kFamilies; }

}  // namespace quern
