// models/chat/SpeakerFamilies.cpp — turns that begin with who speaks: Phi-3, Phi-4-mini, Tulu, Zephyr, DeepSeek and others.
#include "models/chat/ChatFamily.h"

namespace quern {

namespace {

/// Written three ways: a form for any role, one for each, or with the answer's beginning behind each question.
std::optional<ChatForm> recognisePhi3(const TemplateReader& reader) {
  constexpr std::string_view kAny = "'<|'+message['role']+'|>\\n'+message['content']+'<|end|>\\n'";
  constexpr std::string_view kSystem = "'<|system|>\\n'+message['content']+'<|end|>\\n'";
  constexpr std::string_view kUser = "'<|user|>\\n'+message['content']+'<|end|>\\n'";
  constexpr std::string_view kAssistant = "'<|assistant|>\\n'+message['content']+'<|end|>\\n'";
  constexpr std::string_view kUserAnswer = "'<|user|>\\n'+message['content']+'<|end|>\\n<|assistant|>\\n'";
  constexpr std::string_view kContinued = "message['content']+'<|end|>\\n'", kAnswer = "'<|assistant|>\\n'";
  ChatForm form;
  form.bos = reader.beginsWithBos();
  form.system = {"<|system|>\n", "<|end|>\n"};
  form.user = {"<|user|>\n", "<|end|>\n"};
  form.assistant = {"<|assistant|>\n", "<|end|>\n"};
  form.answer = "<|assistant|>\n";
  form.skipsEmptySystem = reader.has("message['role']=='system'and message['content']%}");
  bool each = reader.writes(kUser) && reader.writes(kAssistant);
  if ((reader.writes(kAny) || each) && reader.writes(kAnswer) &&
      reader.writesOnly({"bos_token", kAny, kSystem, kUser, kAssistant, kAnswer, "eos_token"})) {
    if (each && !reader.writes(kSystem)) form.systemPlace = SystemPlace::Dropped;
    return form;
  }
  bool joined = reader.writes(kUserAnswer) && reader.writes(kContinued);
  if (!joined || !reader.writesOnly({"bos_token", kSystem, kUserAnswer, kContinued})) return std::nullopt;
  if (!reader.writes(kSystem)) form.systemPlace = SystemPlace::Dropped;
  form.user.after += form.answer;
  form.assistant.before.clear();
  form.answer.clear();
  return form;
}

/// Phi-4-mini: as Phi-3, without ends of lines.
std::optional<ChatForm> recognisePhi4Mini(const TemplateReader& reader) {
  constexpr std::string_view kTurn = "'<|'+message['role']+'|>'+message['content']+'<|end|>'", kAnswer = "'<|assistant|>'";
  // The reasoning one has a system turn of its own, which the conversation's goes on.
  constexpr std::string_view kOwn = "'<|system|>*'", kMore = "' '+message['content']", kEnd = "'<|end|>'";
  bool told = reader.writes(kTurn) && reader.writes(kAnswer), own = reader.writes(kOwn);
  if (!told || !reader.writesOnly({kTurn, kAnswer, kOwn, kMore, kEnd, "eos_token"}) || own != reader.writes(kMore)) return std::nullopt;
  ChatForm form;
  form.system = {"<|system|>", "<|end|>"};
  form.user = {"<|user|>", "<|end|>"};
  form.assistant = {"<|assistant|>", "<|end|>"};
  form.answer = "<|assistant|>";
  if (!own) return form;
  auto text = reader.stringBetween("{{'<|system|>", "");
  if (!text || !reader.writes(kEnd) || !reader.has("{%if message['role']!='system'%}{{'<|'+message['role']")) return std::nullopt;
  form.withoutSystem = "<|system|>" + *text + "<|end|>";
  form.system.before += *text + " ";
  return form;
}

std::optional<ChatForm> recogniseZephyr(const TemplateReader& reader) {
  constexpr std::string_view kSystem = "'<|system|>\\n'+message['content']+eos_token+'\\n'";
  constexpr std::string_view kUser = "'<|user|>\\n'+message['content']+eos_token+'\\n'";
  constexpr std::string_view kAssistant = "'<|assistant|>\\n'+message['content']+eos_token+'\\n'", kAnswer = "'<|assistant|>\\n'";
  bool told = reader.writes(kSystem) && reader.writes(kUser) && reader.writes(kAssistant) && reader.writes(kAnswer);
  if (!told || !reader.writesOnly({kSystem, kUser, kAssistant, kAnswer})) return std::nullopt;
  const std::string end = {kEosMark, '\n'};
  ChatForm form;
  form.system = {"<|system|>\n", end};
  form.user = {"<|user|>\n", end};
  form.assistant = {"<|assistant|>\n", end};
  form.answer = "<|assistant|>\n";
  return form;
}

/// Tulu 3, OLMo and OLMo 2: end-of-text behind answers only.
std::optional<ChatForm> recogniseTulu(const TemplateReader& reader) {
  constexpr std::string_view kSystem = "'<|system|>\\n'+message['content']+'\\n'", kUser = "'<|user|>\\n'+message['content']+'\\n'";
  constexpr std::string_view kAssistant = "'<|assistant|>\\n'+message['content']+eos_token+'\\n'", kAnswer = "'<|assistant|>\\n'";
  constexpr std::string_view kLast = "'<|assistant|>\\n'+message['content']+eos_token";
  bool told = reader.writes(kSystem) && reader.writes(kUser) && reader.writes(kAssistant) && reader.writes(kAnswer) &&
              reader.has("{%if not loop.last%}{{'<|assistant|>") == reader.writes(kLast);
  if (!told || !reader.writesOnly({"bos_token", kSystem, kUser, kAssistant, kLast, kAnswer})) return std::nullopt;
  ChatForm form;
  form.bos = reader.beginsWithBos();
  form.system = {"<|system|>\n", "\n"};
  form.user = {"<|user|>\n", "\n"};
  form.assistant = {"<|assistant|>\n", {kEosMark, '\n'}};
  form.answer = "<|assistant|>\n";
  return form;
}

std::optional<ChatForm> recogniseOpenChat(const TemplateReader& reader) {
  constexpr std::string_view kTurn = "'GPT4 Correct '+message['role'].title()+': '+message['content']+'<|end_of_turn|>'";
  constexpr std::string_view kAnswer = "'GPT4 Correct Assistant:'";
  if (!reader.writes(kTurn) || !reader.writes(kAnswer) || !reader.writesOnly({"bos_token", kTurn, kAnswer})) return std::nullopt;
  ChatForm form;
  form.bos = reader.beginsWithBos();
  form.system = {"GPT4 Correct System: ", "<|end_of_turn|>"};
  form.user = {"GPT4 Correct User: ", "<|end_of_turn|>"};
  form.assistant = {"GPT4 Correct Assistant: ", "<|end_of_turn|>"};
  form.answer = "GPT4 Correct Assistant:";
  return form;
}

/// StarCoder2: a text of its own first, and no system messages.
std::optional<ChatForm> recogniseStarCoder2(const TemplateReader& reader) {
  constexpr std::string_view kOpening = "bos_token+'*\\n\\n'", kUser = "'### Instruction\\n'+message['content']+'\\n\\n'";
  constexpr std::string_view kAssistant = "'### Response\\n'+message['content']+eos_token+'\\n\\n'", kAnswer = "'### Response\\n'";
  bool told = reader.writes(kOpening) && reader.writes(kUser) && reader.writes(kAssistant) && reader.writes(kAnswer) &&
              reader.has("{%if message['role']=='system'%}{{") && reader.has("raise_exception('System messages are not allowed");
  auto opening = reader.stringBetween("{{bos_token+'", "");
  if (!told || !opening || !reader.writesOnly({kOpening, kUser, kAssistant, kAnswer})) return std::nullopt;
  ChatForm form;
  form.bos = true;
  form.opening = *opening;
  form.systemPlace = SystemPlace::Refused;
  form.user = {"### Instruction\n", "\n\n"};
  form.assistant = {"### Response\n", {kEosMark, '\n', '\n'}};
  form.answer = "### Response\n";
  return form;
}

/// DeepSeek Coder's first: a text of its own where there is no system message.
std::optional<ChatForm> recogniseDeepSeekCoder(const TemplateReader& reader) {
  constexpr std::string_view kUser = "'### Instruction:\\n'+message['content']+'\\n'";
  constexpr std::string_view kAssistant = "'### Response:\\n'+message['content']+'\\n<|EOT|>\\n'";
  constexpr std::string_view kAnswer = "'### Response:\\n'", kAnswerHere = "'### Response:'", kSystem = "message['content']",
                             kOwn = "'*\\n'";
  bool told = reader.beginsWithBos() && reader.writes(kUser) && reader.writes(kAssistant) && reader.writes(kSystem) &&
              reader.writes(kAnswer) != reader.writes(kAnswerHere) && reader.has("{%if not ns.found%}{{'");
  auto own = reader.stringBetween("{%if not ns.found%}{{'", "");
  if (!told || !own || !reader.writesOnly({"bos_token", kUser, kAssistant, kAnswer, kAnswerHere, kSystem, kOwn})) return std::nullopt;
  if (reader.count(kOwn) - reader.count(kAnswer) != 1) return std::nullopt;
  ChatForm form;
  form.bos = true;
  form.withoutSystem = *own;
  form.user = {"### Instruction:\n", "\n"};
  form.assistant = {"### Response:\n", "\n<|EOT|>\n"};
  form.answer = reader.writes(kAnswer) ? "### Response:\n" : "### Response:";
  return form;
}

std::optional<ChatForm> recogniseDeepSeek2(const TemplateReader& reader) {
  constexpr std::string_view kSystem = "message['content']+'\\n\\n'", kUser = "'User: '+message['content']+'\\n\\n'";
  constexpr std::string_view kAssistant = "'Assistant: '+message['content']+eos_token", kAnswer = "'Assistant:'";
  bool told = reader.writes(kSystem) && reader.writes(kUser) && reader.writes(kAssistant) && reader.writes(kAnswer);
  if (!told || !reader.beginsWithBos() || !reader.writesOnly({"bos_token", kSystem, kUser, kAssistant, kAnswer})) return std::nullopt;
  ChatForm form;
  form.bos = true;
  form.system = {"", "\n\n"};
  form.user = {"User: ", "\n\n"};
  form.assistant = {"Assistant: ", std::string(1, kEosMark)};
  form.answer = "Assistant:";
  return form;
}

/// ns.system_prompt is the system message, or nothing.
bool setsSystem(const TemplateReader& reader) {
  constexpr std::string_view kLater = "ns.system_prompt+'\\n\\n'+message['content']";
  return reader.has("system_prompt=''") &&
         reader.setsOnly("ns.system_prompt", {"message['content']", "m['content']", "ns.system_prompt+message['content']", kLater}) &&
         (!reader.has(kLater) || reader.has("{%if ns.is_first_sp%}"));
}

/// V3 and R1; R1 leaves out what was thought, and newer ones begin the next thoughts.
std::optional<ChatForm> recogniseDeepSeek3(const TemplateReader& reader) {
  constexpr std::string_view kBegin = "bos_token+ns.system_prompt", kUser = "'<｜User｜>'+message['content']";
  constexpr std::string_view kAssistant = "'<｜Assistant｜>'+message['content']+'<｜end▁of▁sentence｜>'";
  constexpr std::string_view kStripped = "'<｜Assistant｜>'+content+'<｜end▁of▁sentence｜>'";
  constexpr std::string_view kAnswer = "'<｜Assistant｜>'", kThinking = "'<｜Assistant｜><think>\\n'";
  bool strips = reader.writes(kStripped), thinks = reader.writes(kThinking);
  bool told = reader.writes(kBegin) && reader.writes(kUser) && strips != reader.writes(kAssistant) && thinks != reader.writes(kAnswer) &&
              strips == reader.has("{%set content=content.split('</think>')[-1]%}");
  if (!told || !setsSystem(reader) || !reader.writesOnly({kBegin, kUser, kAssistant, kStripped, kAnswer, kThinking})) return std::nullopt;
  if (strips && !reader.setsOnly("content", {"message['content']", "content.split('</think>')[-1]"})) return std::nullopt;
  ChatForm form;
  form.bos = true;
  form.user = {"<｜User｜>", ""};
  form.assistant = {"<｜Assistant｜>", "<｜end▁of▁sentence｜>"};
  if (strips) form.thoughts = Thoughts::Dropped, form.variant = "deepseek-r1";
  form.answer = thinks ? "<｜Assistant｜><think>\n" : "<｜Assistant｜>";
  return form;
}

/// R1's small ones of May 2025: the answer's beginning stands behind each question.
std::optional<ChatForm> recogniseDeepSeekR1Questions(const TemplateReader& reader) {
  constexpr std::string_view kBegin = "bos_token+ns.system_prompt", kUser = "'<｜User｜>'+content+'<｜Assistant｜>'";
  constexpr std::string_view kAssistant = "content+'<｜end▁of▁sentence｜>'", kAnswer = "'<｜Assistant｜>'";
  bool told = reader.writes(kBegin) && reader.writes(kUser) && reader.writes(kAssistant) &&
              reader.setsOnly("content", {"message['content']", "content.split('</think>')[-1]"}) &&
              reader.has("{%if add_generation_prompt and not ns.is_last_user and not ns.is_tool%}");
  if (!told || !setsSystem(reader) || !reader.writesOnly({kBegin, kUser, kAssistant, kAnswer})) return std::nullopt;
  ChatForm form;
  form.variant = "deepseek-r1";
  form.bos = true;
  form.user = {"<｜User｜>", "<｜Assistant｜>"};
  form.assistant = {"", "<｜end▁of▁sentence｜>"};
  form.thoughts = Thoughts::Dropped;
  return form;
}

std::optional<ChatForm> recogniseDeepSeekR1(const TemplateReader& reader) {
  auto form = recogniseDeepSeek3(reader);
  return form ? form : recogniseDeepSeekR1Questions(reader);
}

constexpr ChatFamily kFamilies[] = {
    {"phi4-mini",
     "{% for message in messages %}{{ '<|' + message['role'] + '|>' + message['content'] + '<|end|>' }}{% endfor %}"
     "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}",
     recognisePhi4Mini, "message['role']!='system'"},
    {"tulu",
     "{% for message in messages %}{% if message['role'] == 'system' %}{{ '<|system|>\\n' + message['content'] + '\\n' }}"
     "{% elif message['role'] == 'user' %}{{ '<|user|>\\n' + message['content'] + '\\n' }}{% else %}"
     "{{ '<|assistant|>\\n' + message['content'] + eos_token + '\\n' }}{% endif %}{% endfor %}"
     "{% if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% endif %}",
     recogniseTulu},
    {"openchat",
     "{{ bos_token }}{% for message in messages %}{{ 'GPT4 Correct ' + message['role'].title() + ': ' + message['content'] + "
     "'<|end_of_turn|>' }}{% endfor %}{% if add_generation_prompt %}{{ 'GPT4 Correct Assistant:' }}{% endif %}",
     recogniseOpenChat},
    {"starcoder2",
     "{{ bos_token + 'You are a coding assistant whose answers are accurate.\\n\\n' }}{% for message in messages %}"
     "{% if message['role'] == 'system' %}{{ raise_exception('System messages are not allowed in this template.') }}"
     "{% elif message['role'] == 'user' %}{{ '### Instruction\\n' + message['content'] + '\\n\\n' }}{% else %}"
     "{{ '### Response\\n' + message['content'] + eos_token + '\\n\\n' }}{% endif %}{% endfor %}{{ '### Response\\n' }}",
     recogniseStarCoder2},
    {"deepseek-coder",
     "{% set ns = namespace(found=messages[0]['role'] == 'system') %}{{ bos_token }}{% if not ns.found %}"
     "{{ 'You are an assistant for questions about computer science.\\n' }}{% endif %}{% for message in messages %}"
     "{% if message['role'] == 'system' %}{{ message['content'] }}{% elif message['role'] == 'user' %}"
     "{{ '### Instruction:\\n' + message['content'] + '\\n' }}{% else %}"
     "{{ '### Response:\\n' + message['content'] + '\\n<|EOT|>\\n' }}{% endif %}{% endfor %}"
     "{% if add_generation_prompt %}{{ '### Response:\\n' }}{% endif %}",
     recogniseDeepSeekCoder},
    {"phi3",
     "{% for message in messages %}{{ '<|' + message['role'] + '|>\\n' + message['content'] + '<|end|>\\n' }}{% endfor %}"
     "{% if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% endif %}",
     recognisePhi3, "message['role']=='system'and message['content']"},
    {"zephyr",
     "{% for message in messages %}{% if message['role'] == 'system' %}{{ '<|system|>\\n' + message['content'] + eos_token + '\\n' }}"
     "{% elif message['role'] == 'user' %}{{ '<|user|>\\n' + message['content'] + eos_token + '\\n' }}{% else %}"
     "{{ '<|assistant|>\\n' + message['content'] + eos_token + '\\n' }}{% endif %}{% endfor %}"
     "{% if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% endif %}",
     recogniseZephyr},
    {"deepseek2",
     "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'user' %}{{ 'User: ' + message['content'] + '\\n\\n' }}"
     "{% elif message['role'] == 'assistant' %}{{ 'Assistant: ' + message['content'] + eos_token }}{% else %}"
     "{{ message['content'] + '\\n\\n' }}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}",
     recogniseDeepSeek2},
    {"deepseek3",
     "{% set ns = namespace(system_prompt='') %}{% for message in messages %}{% if message['role'] == 'system' %}"
     "{% set ns.system_prompt = message['content'] %}{% endif %}{% endfor %}{{ bos_token + ns.system_prompt }}{% for message in messages %}"
     "{% if message['role'] == 'user' %}{{ '<｜User｜>' + message['content'] }}{% elif message['role'] == 'assistant' %}"
     "{{ '<｜Assistant｜>' + message['content'] + '<｜end▁of▁sentence｜>' }}{% endif %}{% endfor %}"
     "{% if add_generation_prompt %}{{ '<｜Assistant｜>' }}{% endif %}",
     recogniseDeepSeek3},
    {"deepseek-r1",
     "{% set ns = namespace(system_prompt='') %}{% for message in messages %}{% if message['role'] == 'system' %}"
     "{% set ns.system_prompt = message['content'] %}{% endif %}{% endfor %}{{ bos_token + ns.system_prompt }}{% for message in messages %}"
     "{% if message['role'] == 'user' %}{{ '<｜User｜>' + message['content'] }}{% elif message['role'] == 'assistant' %}"
     "{% set content = message['content'] %}{% if '</think>' in content %}{% set content = content.split('</think>')[-1] %}{% endif %}"
     "{{ '<｜Assistant｜>' + content + '<｜end▁of▁sentence｜>' }}{% endif %}{% endfor %}"
     "{% if add_generation_prompt %}{{ '<｜Assistant｜><think>\\n' }}{% endif %}",
     recogniseDeepSeekR1},
};

}  // namespace

std::span<const ChatFamily> speakerFamilies() { return kFamilies; }

}  // namespace quern
