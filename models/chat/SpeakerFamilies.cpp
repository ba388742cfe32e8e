// models/chat/SpeakerFamilies.cpp — turns that begin with who speaks: Phi-3, Zephyr, DeepSeek.
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

/// V3 and R1; R1 leaves out what was thought, and newer ones begin the next thoughts.
std::optional<ChatForm> recogniseDeepSeek3(const TemplateReader& reader) {
  constexpr std::string_view kBegin = "bos_token+ns.system_prompt", kUser = "'<｜User｜>'+message['content']";
  constexpr std::string_view kAssistant = "'<｜Assistant｜>'+message['content']+'<｜end▁of▁sentence｜>'";
  constexpr std::string_view kStripped = "'<｜Assistant｜>'+content+'<｜end▁of▁sentence｜>'";
  constexpr std::string_view kAnswer = "'<｜Assistant｜>'", kThinking = "'<｜Assistant｜><think>\\n'";
  bool strips = reader.writes(kStripped), thinks = reader.writes(kThinking);
  bool told = reader.writes(kBegin) && reader.writes(kUser) && strips != reader.writes(kAssistant) && thinks != reader.writes(kAnswer) &&
              strips == reader.has("{%set content=content.split('</think>')[-1]%}");
  if (!told || !reader.writesOnly({kBegin, kUser, kAssistant, kStripped, kAnswer, kThinking})) return std::nullopt;
  ChatForm form;
  form.bos = true;
  form.user = {"<｜User｜>", ""};
  form.assistant = {"<｜Assistant｜>", "<｜end▁of▁sentence｜>"};
  if (strips) form.thoughts = Thoughts::Dropped, form.variant = "deepseek-r1";
  form.answer = thinks ? "<｜Assistant｜><think>\n" : "<｜Assistant｜>";
  return form;
}

constexpr ChatFamily kFamilies[] = {
    {"phi3",
     "{% for message in messages %}{{ '<|' + message['role'] + '|>\\n' + message['content'] + '<|end|>\\n' }}{% endfor %}"
     "{% if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% endif %}",
     recognisePhi3},
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
     recogniseDeepSeek3},
};

}  // namespace

std::span<const ChatFamily> speakerFamilies() { return kFamilies; }

}  // namespace quern
