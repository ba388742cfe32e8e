// models/chat/InstFamilies.cpp — user messages between [INST] and [/INST]: Llama 2 and Mistral.
#include "models/chat/ChatFamily.h"

#include <fmt/format.h>

namespace quern {

namespace {

std::optional<ChatForm> recogniseLlama2(const TemplateReader& reader) {
  constexpr std::string_view kUser = "bos_token+'[INST] '+content.strip()+' [/INST]'", kAssistant = "' '+content.strip()+' '+eos_token";
  bool told = reader.writes(kUser) && reader.writes(kAssistant) && reader.has("{%set system_message=false%}") &&
              reader.has("{%set content='<<SYS>>\\n'+system_message+'\\n<</SYS>>\\n\\n'+message['content']%}") &&
              reader.has("raise_exception('Conversation roles must alternate") && !reader.has("{%set system_message='");
  if (!told || !reader.writesOnly({kUser, kAssistant, "'<<SYS>>\\n'+content.strip()+'\\n<</SYS>>\\n\\n'"})) return std::nullopt;
  ChatForm form;
  form.systemPlace = SystemPlace::FirstUser;
  form.system = {"<<SYS>>\n", "\n<</SYS>>\n\n"};
  form.user = {std::string(1, kBosMark) + "[INST] ", " [/INST]", true};
  form.assistant = {" ", std::string(" ") + kEosMark, true};
  form.trimsJoined = true;
  form.alternates = true;
  return form;
}

/// Of the forms around a message those of one side: user messages end with [/INST], answers with end-of-text.
std::optional<TurnForm> formEnding(const std::vector<TurnForm>& forms, std::string_view end) {
  std::optional<TurnForm> found;
  for (const TurnForm& each : forms) {
    if (!each.after.ends_with(end)) continue;
    if (found && (found->before != each.before || found->after != each.after || found->trim != each.trim)) return std::nullopt;
    found = each;
  }
  return found;
}

/// The generations differ in blanks around the marks, and in where the system message stands.
std::optional<ChatForm> recogniseMistral(const TemplateReader& reader) {
  std::vector<TurnForm> forms = reader.turns();
  const std::string end(1, kEosMark);
  auto user = formEnding(forms, "[/INST]"), assistant = formEnding(forms, end);
  if (!assistant) assistant = formEnding(forms, end + " ");  // the first of all
  if (!user || !assistant || reader.has("<<SYS>>") || !reader.beginsWithBos()) return std::nullopt;
  bool marks = (user->before == "[INST] " || user->before == "[INST]" || user->before == " [INST] ") &&
               (user->after == " [/INST]" || user->after == "[/INST]") && !user->trim;
  if (!marks || (assistant->before != " " && !assistant->before.empty()) ||
      (assistant->after != end && assistant->after != " " + end && assistant->after != end + " "))
    return std::nullopt;
  // As templateCode spells them.
  std::string userIs = "'" + user->before + "'+message['content']+'" + user->after + "'";
  std::string joined = "'" + user->before + "'+system_message+'\\n\\n'+message['content']+'" + user->after + "'";
  std::string answerIs =
      fmt::format("{}message['content']{}+{}eos_token{}", assistant->before.empty() ? "" : "' '+", assistant->trim ? "|trim" : "",
                  assistant->after.starts_with(' ') ? "' '+" : "", assistant->after.ends_with(' ') ? "+' '" : "");
  const std::string systemMark = user->before == "[INST]" ? "[SYSTEM_PROMPT]" : "[SYSTEM_PROMPT] ";
  std::string system = fmt::format("'{}'+message['content']+'[/SYSTEM_PROMPT]'", systemMark);
  const std::string_view known[] = {"bos_token", userIs, joined, answerIs, system};
  if (!reader.writesOnly(known)) return std::nullopt;
  ChatForm form;
  form.bos = true;
  form.user = *user;
  form.assistant = *assistant;
  form.alternates = reader.has("roles must alternate user/assistant");
  if (reader.writes(system)) {
    form.system = {systemMark, "[/SYSTEM_PROMPT]"};
  } else if (reader.writes(joined)) {
    bool first = reader.has("{%if loop.first and system_message is defined%}"),
         last = reader.has("{%if loop.last and system_message is defined%}");
    if (first == last) return std::nullopt;
    form.systemPlace = first ? SystemPlace::FirstUser : SystemPlace::LastUser;
    form.system = {"", "\n\n"};
  } else if (reader.has("raise_exception('Only user and assistant roles are supported!')") && form.alternates) {
    form.systemPlace = SystemPlace::Refused;
  } else {
    return std::nullopt;
  }
  bool blankBehind = user->after == " [/INST]", blankBefore = user->before != "[INST]";
  form.variant = reader.writes(system) ? "mistral-v7" : blankBehind ? "mistral-v1" : blankBefore ? "mistral-v3" : "mistral-tekken";
  return form;
}

/// Mistral Small 3 and Devstral: a system message of the template's own, with a date in it; some take contents in parts too.
std::optional<ChatForm> recogniseMistralSmall(const TemplateReader& reader) {
  constexpr std::string_view kUser = "'[INST]'+message['content']+'[/INST]'", kAnswer = "message['content']+eos_token";
  constexpr std::string_view kBegin = "'[INST]'", kContent = "message['content']", kEnd = "'[/INST]'";
  constexpr std::string_view kPart = "message['content'][0]['text']";
  const bool prompt = reader.has("{%set system_prompt=");
  const std::string name = prompt ? "system_prompt" : "system_message";
  const std::string system = fmt::format("'[SYSTEM_PROMPT]'+{}+'[/SYSTEM_PROMPT]'", name);
  bool pieces = reader.writes(kBegin) && reader.writes(kContent) && reader.writes(kEnd);
  bool told = reader.beginsWithBos() && (pieces || reader.writes(kUser)) && reader.writes(kAnswer) && reader.writes(system) &&
              reader.setsOnly("today", {"strftime_now('%Y-%m-%d')"}) && reader.setsOnly("default_system_message", {"'*'+today+'*'"}) &&
              reader.setsOnly(name, {"default_system_message", "messages[0]['content']", "messages[0]['content'][0]['text']"}) &&
              reader.has("{%set loop_messages=messages[1:]%}");
  const std::string part = fmt::format("'[SYSTEM_PROMPT]'+{}+'[/SYSTEM_PROMPT]'", kPart);
  const std::string again = fmt::format("'[SYSTEM_PROMPT]'+{}+'[/SYSTEM_PROMPT]'", kContent);  // of a later one
  const std::string answerPart = fmt::format("{}+eos_token", kPart);
  const std::string_view known[] = {"bos_token", system, again,           part,      kUser,    kAnswer,    answerPart,
                                    kBegin,      kEnd,   "block['text']", "'[IMG]'", kContent, "eos_token"};
  auto before = reader.stringBetween("{%set default_system_message='", ""), after = reader.stringBetween("'+today+'", "");
  if (!told || !before || !after || !reader.writesOnly(known)) return std::nullopt;
  ChatForm form;
  form.variant = "mistral-v7";
  form.bos = true;
  form.system = {"[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]"};
  form.withoutSystem = form.system.before + *before + kIsoDayMark + *after + form.system.after;
  form.user = {"[INST]", "[/INST]"};
  form.assistant = {"", std::string(1, kEosMark)};
  form.alternates = reader.has("roles must alternate user/assistant");
  return form;
}

std::optional<ChatForm> recogniseMistralV7(const TemplateReader& reader) {
  auto form = recogniseMistral(reader);
  return form ? form : recogniseMistralSmall(reader);
}

constexpr ChatFamily kFamilies[] = {
    {"llama2",
     "{% if messages[0]['role'] == 'system' %}{% set system_message = messages[0]['content'] %}{% set messages = messages[1:] %}{% else %}"
     "{% set system_message = false %}{% endif %}{% for message in messages %}"
     "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
     "{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}"
     "{% if loop.index0 == 0 and system_message != false %}"
     "{% set content = '<<SYS>>\\n' + system_message + '\\n<</SYS>>\\n\\n' + message['content'] %}{% else %}"
     "{% set content = message['content'] %}{% endif %}{% if message['role'] == 'user' %}"
     "{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}{% else %}{{ ' ' + content.strip() + ' ' + eos_token }}{% endif %}"
     "{% endfor %}",
     recogniseLlama2},
    {"mistral-v1",
     "{% if messages[0]['role'] == 'system' %}{% set system_message = messages[0]['content'] %}{% set messages = messages[1:] %}{% endif %}"
     "{{ bos_token }}{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
     "{{ raise_exception('conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}"
     "{% if message['role'] == 'user' %}{% if loop.first and system_message is defined %}"
     "{{ ' [INST] ' + system_message + '\\n\\n' + message['content'] + ' [/INST]' }}{% else %}"
     "{{ ' [INST] ' + message['content'] + ' [/INST]' }}{% endif %}{% else %}"
     "{{ ' ' + message['content'] + eos_token }}{% endif %}{% endfor %}",
     recogniseMistral},
    {"mistral-v3",
     "{% if messages[0]['role'] == 'system' %}{% set system_message = messages[0]['content'] %}{% set messages = messages[1:] %}{% endif %}"
     "{{ bos_token }}{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
     "{{ raise_exception('conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}"
     "{% if message['role'] == 'user' %}{% if loop.last and system_message is defined %}"
     "{{ '[INST] ' + system_message + '\\n\\n' + message['content'] + '[/INST]' }}{% else %}"
     "{{ '[INST] ' + message['content'] + '[/INST]' }}{% endif %}{% else %}"
     "{{ ' ' + message['content'] | trim + eos_token }}{% endif %}{% endfor %}",
     recogniseMistral},
    {"mistral-tekken",
     "{% if messages[0]['role'] == 'system' %}{% set system_message = messages[0]['content'] %}{% set messages = messages[1:] %}{% endif %}"
     "{{ bos_token }}{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
     "{{ raise_exception('conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}"
     "{% if message['role'] == 'user' %}{% if loop.last and system_message is defined %}"
     "{{ '[INST]' + system_message + '\\n\\n' + message['content'] + '[/INST]' }}{% else %}"
     "{{ '[INST]' + message['content'] + '[/INST]' }}{% endif %}{% else %}"
     "{{ message['content'] + eos_token }}{% endif %}{% endfor %}",
     recogniseMistral},
    {"mistral-v7",
     "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'user' %}{{ '[INST] ' + message['content'] + '[/INST]' }}"
     "{% elif message['role'] == 'system' %}{{ '[SYSTEM_PROMPT] ' + message['content'] + '[/SYSTEM_PROMPT]' }}{% else %}"
     "{{ ' ' + message['content'] + eos_token }}{% endif %}{% endfor %}",
     recogniseMistralV7},
};

}  // namespace

std::span<const ChatFamily> instFamilies() { return kFamilies; }

}  // namespace quern
