// models/chat/HeaderFamilies.cpp — turns that begin with a header of control tokens: Llama 3, Granite, gpt-oss, Gemma.
#include "models/chat/ChatFamily.h"

namespace quern {

namespace {

constexpr std::string_view kLlamaTurn =
    "'<|start_header_id|>'+message['role']+'<|end_header_id|>\\n\\n'+message['content']|trim+'<|eot_id|>'";
constexpr std::string_view kLlamaAnswer = "'<|start_header_id|>assistant<|end_header_id|>\\n\\n'";

ChatForm llama3() {
  ChatForm form;
  form.bos = true;
  form.system = {"<|start_header_id|>system<|end_header_id|>\n\n", "<|eot_id|>", true};
  form.user = {"<|start_header_id|>user<|end_header_id|>\n\n", "<|eot_id|>", true};
  form.assistant = {"<|start_header_id|>assistant<|end_header_id|>\n\n", "<|eot_id|>", true};
  form.answer = "<|start_header_id|>assistant<|end_header_id|>\n\n";
  return form;
}

std::optional<ChatForm> recogniseLlama3(const TemplateReader& reader) {
  constexpr std::string_view kSet =
      "{%set content='<|start_header_id|>'+message['role']+'<|end_header_id|>\\n\\n'+message['content']|trim+'<|eot_id|>'%}";
  bool written = reader.writes(kLlamaTurn);
  if ((!written && !(reader.has(kSet) && reader.writes("content"))) || !reader.writes(kLlamaAnswer) || reader.has("Cutting Knowledge"))
    return std::nullopt;
  if (!reader.writesOnly({kLlamaTurn, kLlamaAnswer, written ? "bos_token" : "content", "bos_token"})) return std::nullopt;
  bool begins = reader.beginsWithBos() || reader.has("{%set content=bos_token+content%}");
  ChatForm form = llama3();
  form.bos = begins;
  return form;
}

/// Granite 3: a system message of the template's own, with a date in it, where the conversation has none.
std::optional<ChatForm> recogniseGranite(const TemplateReader& reader) {
  constexpr std::string_view kTurn = "'<|start_of_role|>'+message['role']+'<|end_of_role|>'+message['content']+'<|end_of_text|>\\n'";
  constexpr std::string_view kSystem = "'<|start_of_role|>system<|end_of_role|>'+message['content']+'<|end_of_text|>\\n'";
  constexpr std::string_view kUser = "'<|start_of_role|>user<|end_of_role|>'+message['content']+'<|end_of_text|>\\n'";
  constexpr std::string_view kAssistant = "'<|start_of_role|>assistant<|end_of_role|>'+message['content']+'<|end_of_text|>\\n'";
  constexpr std::string_view kSystemMessage = "'<|start_of_role|>system<|end_of_role|>'+system_message+'<|end_of_text|>\\n'";
  constexpr std::string_view kAnswer = "'<|start_of_role|>assistant<|end_of_role|>'", kAnswerRole = "'<|start_of_role|>assistant'";
  bool any = reader.writes(kTurn), each = reader.writes(kSystem) && reader.writes(kUser) && reader.writes(kAssistant);
  bool answers = reader.writes(kAnswer) || (reader.writes(kAnswerRole) && reader.writes("'<|end_of_role|>'"));
  if (any == each || !answers ||
      !reader.writesOnly({kTurn, kSystem, kUser, kAssistant, kSystemMessage, kAnswer, kAnswerRole, "'<|end_of_role|>'"}))
    return std::nullopt;
  ChatForm form;
  form.system = {"<|start_of_role|>system<|end_of_role|>", "<|end_of_text|>\n"};
  form.user = {"<|start_of_role|>user<|end_of_role|>", "<|end_of_text|>\n"};
  form.assistant = {"<|start_of_role|>assistant<|end_of_role|>", "<|end_of_text|>\n"};
  form.answer = "<|start_of_role|>assistant<|end_of_role|>";
  if (!reader.writes(kSystemMessage)) return form;
  // Begun with a date, and ended where there are neither tools nor documents.
  auto begin = reader.stringBetween("{%else%}{%set system_message='", ""),
       middle = reader.stringBetween("'+strftime_now('%B %d, %Y')+'", ""),
       end = reader.stringBetween("{%else%}{%set system_message=system_message+'", "");
  if (!begin || !middle || !end || each || !reader.has("{%set loop_messages=messages[1:]%}") ||
      !reader.setsOnly("system_message", {"messages[0]['content']", "'*'+strftime_now('%B %d, %Y')+'*'", "system_message+'*'"}))
    return std::nullopt;
  form.withoutSystem = form.system.before + *begin + kDayMark + *middle + *end + form.system.after;
  return form;
}

/// Llama 3.1 to 3.3: dates in the system turn, which is always there; Nemotron leaves the dates out.
std::optional<ChatForm> recogniseLlama31(const TemplateReader& reader) {
  constexpr std::string_view kSystem = "'<|start_header_id|>system<|end_header_id|>\\n\\n'";
  constexpr std::string_view kDates = "'Cutting Knowledge Date: December 2023\\nToday Date: '+date_string+'\\n\\n'";
  constexpr std::string_view kEnd = "system_message+'<|eot_id|>'";
  constexpr std::string_view kAtOnce =
      "'<|start_header_id|>system<|end_header_id|>\\n\\nCutting Knowledge Date: December 2023\\nToday Date: '+date_string+'\\n\\n'+"
      "system_message+'<|eot_id|>'";
  bool dated = reader.has("Cutting Knowledge"), undated = !dated && reader.writes(kSystem) && reader.writes(kEnd);
  bool system = reader.writes(kAtOnce) || undated || (reader.writes(kSystem) && reader.writes(kDates) && reader.writes(kEnd));
  bool told = system && reader.beginsWithBos() && reader.writes(kLlamaTurn) && reader.writes(kLlamaAnswer) &&
              reader.setsOnly("system_message", {"messages[0]['content']|trim", "''"});
  if (!told || !reader.writesOnly({"bos_token", kAtOnce, kSystem, kDates, kEnd, kLlamaTurn, kLlamaAnswer})) return std::nullopt;
  ChatForm form = llama3();
  if (undated) {
    form.variant = "llama3";
    form.withoutSystem = form.system.before + form.system.after;
    return form;
  }
  form.preamble = Preamble::KnowledgeDate;
  auto date = reader.stringBetween("{%set date_string='", "");
  if (!date) return std::nullopt;
  if (!reader.has("strftime_now('%d %b %Y')")) form.fixedDate = *date;
  return form;
}

std::optional<ChatForm> recogniseGptOss(const TemplateReader& reader) {
  constexpr std::string_view kFinal = "'<|start|>assistant<|channel|>final<|message|>'+message['content']+'<|end|>'";
  constexpr std::string_view kUser = "'<|start|>user<|message|>'+message['content']+'<|end|>'", kHere = "'<|start|>assistant'";
  // The system turn in pieces and at once.
  constexpr std::string_view kFacts = "model_identity+'\\nKnowledge cutoff: 2024-06\\nCurrent date: '+strftime_now('%Y-%m-%d')+'\\n\\n'";
  constexpr std::string_view kEffort = "'Reasoning: '+reasoning_effort+'\\n\\n'";
  constexpr std::string_view kChannels = "'# Valid channels: analysis, commentary, final. Channel must be included for every message.'";
  constexpr std::string_view kSystem = "'<|start|>system<|message|>'+build_system_message()+'<|end|>'";
  constexpr std::string_view kAtOnce =
      "'<|start|>system<|message|>'+model_identity+'\\nKnowledge cutoff: 2024-06\\nCurrent date: '+strftime_now('%Y-%m-%d')+"
      "'\\n\\nReasoning: '+reasoning_effort+'\\n\\n# Valid channels: analysis, commentary, final. Channel must be included for every "
      "message.<|end|>'";
  constexpr std::string_view kDeveloper = "'<|start|>developer<|message|>'";
  constexpr std::string_view kInstructions = "'# Instructions\\n\\n'+developer_message+'\\n\\n'";
  constexpr std::string_view kDeveloperAtOnce = "'<|start|>developer<|message|># Instructions\\n\\n'+developer_message+'\\n\\n<|end|>'";
  // Not written in conversations: an answer that is the last message, and what was thought before it.
  constexpr std::string_view kThought = "'<|start|>assistant<|channel|>analysis<|message|>'+message.thinking+'<|end|>'";
  constexpr std::string_view kLast = "'<|start|>assistant<|channel|>final<|message|>'+message['content']+'<|return|>'";
  bool system =
      reader.writes(kAtOnce) || (reader.writes(kFacts) && reader.writes(kEffort) && reader.writes(kChannels) && reader.writes(kSystem));
  bool developer =
      reader.writes(kDeveloperAtOnce) || (reader.writes(kDeveloper) && reader.writes(kInstructions) && reader.writes("'<|end|>'"));
  bool told = system && developer && reader.writes(kFinal) && reader.writes(kUser) && reader.writes(kHere) &&
              reader.has("{%set model_identity='You are ChatGPT, a large language model trained by OpenAI.'%}") &&
              reader.has("{%set reasoning_effort='medium'%}") && reader.has("'<|channel|>final<|message|>'in message['content']");
  if (!told || !reader.writesOnly({kFinal, kUser, kHere, kFacts, kEffort, kChannels, kSystem, kAtOnce, kDeveloper, kInstructions,
                                   "'<|end|>'", kDeveloperAtOnce, kThought, kLast}))
    return std::nullopt;
  ChatForm form;
  form.preamble = Preamble::Harmony;
  form.system = {"<|start|>developer<|message|># Instructions\n\n", "\n\n<|end|>"};
  form.user = {"<|start|>user<|message|>", "<|end|>"};
  form.assistant = {"<|start|>assistant<|channel|>final<|message|>", "<|end|>"};
  form.skipsEmptySystem = true;
  form.answer = "<|start|>assistant";
  form.goesOn = "<|end|>";
  form.contentMark = "<|message|>";
  return form;
}

constexpr std::string_view kGemmaAnswer = "'<start_of_turn>model\\n'";

ChatForm gemma() {
  ChatForm form;
  form.user = {"<start_of_turn>user\n", "<end_of_turn>\n", true};
  form.assistant = {"<start_of_turn>model\n", "<end_of_turn>\n", true};
  form.answer = "<start_of_turn>model\n";
  form.alternates = true;
  return form;
}

std::optional<ChatForm> recogniseGemma(const TemplateReader& reader) {
  constexpr std::string_view kTurn = "'<start_of_turn>'+role+'\\n'+message['content']|trim+'<end_of_turn>\\n'";
  bool told = reader.writes(kTurn) && reader.writes(kGemmaAnswer) && reader.has("raise_exception('System role not supported')") &&
              reader.has("raise_exception('Conversation roles must alternate");
  if (!told || !reader.writesOnly({"bos_token", kTurn, kGemmaAnswer})) return std::nullopt;
  ChatForm form = gemma();
  form.bos = reader.beginsWithBos();
  form.systemPlace = SystemPlace::Refused;
  return form;
}

std::optional<ChatForm> recogniseGemma3(const TemplateReader& reader) {
  constexpr std::string_view kBegin = "'<start_of_turn>'+role+'\\n'+(first_user_prefix if loop.first else'')";
  constexpr std::string_view kContent = "message['content']|trim", kEnd = "'<end_of_turn>\\n'";
  constexpr std::string_view kAtOnce =
      "'<start_of_turn>'+role+'\\n'+(first_user_prefix if loop.first else'')+message['content']|trim+'<end_of_turn>\\n'";
  bool turn = reader.writes(kAtOnce) || (reader.writes(kBegin) && reader.writes(kContent) && reader.writes(kEnd));
  bool prefix =
      reader.setsOnly("first_user_prefix", {"messages[0]['content']+'\\n\\n'", "messages[0]['content'][0]['text']+'\\n\\n'", "''"});
  bool told = turn && reader.writes(kGemmaAnswer) && prefix && reader.has("raise_exception('Conversation roles must alternate");
  if (!told || !reader.writesOnly({"bos_token", kAtOnce, kBegin, kContent, kEnd, kGemmaAnswer, "'<start_of_*>'", "item['text']|trim"}))
    return std::nullopt;
  ChatForm form = gemma();
  form.bos = reader.beginsWithBos();
  form.systemPlace = SystemPlace::FirstUser;
  form.system = {"", "\n\n"};
  return form;
}

constexpr ChatFamily kFamilies[] = {
    {"llama3",
     "{{ bos_token }}{% for message in messages %}{{ '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' + "
     "message['content'] | trim + '<|eot_id|>' }}{% endfor %}"
     "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{% endif %}",
     recogniseLlama3},
    {"llama3.1",
     "{{ bos_token }}{% if strftime_now is defined %}{% set date_string = strftime_now('%d %b %Y') %}{% else %}"
     "{% set date_string = '26 Jul 2024' %}{% endif %}{% if messages[0]['role'] == 'system' %}"
     "{% set system_message = messages[0]['content'] | trim %}{% set messages = messages[1:] %}{% else %}{% set system_message = '' %}"
     "{% endif %}{{ '<|start_header_id|>system<|end_header_id|>\\n\\nCutting Knowledge Date: December 2023\\nToday Date: ' + date_string + "
     "'\\n\\n' + system_message + '<|eot_id|>' }}{% for message in messages %}{{ '<|start_header_id|>' + message['role'] + "
     "'<|end_header_id|>\\n\\n' + message['content'] | trim + '<|eot_id|>' }}{% endfor %}"
     "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{% endif %}",
     recogniseLlama31},
    {"granite",
     "{% for message in messages %}{{ '<|start_of_role|>' + message['role'] + '<|end_of_role|>' + message['content'] + "
     "'<|end_of_text|>\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|start_of_role|>assistant<|end_of_role|>' }}{% endif %}",
     recogniseGranite},
    {"gpt-oss",
     "{% set model_identity = 'You are ChatGPT, a large language model trained by OpenAI.' %}{% set reasoning_effort = 'medium' %}"
     "{{ '<|start|>system<|message|>' + model_identity + '\\nKnowledge cutoff: 2024-06\\nCurrent date: ' + strftime_now('%Y-%m-%d') + "
     "'\\n\\nReasoning: ' + reasoning_effort + '\\n\\n# Valid channels: analysis, commentary, final. Channel must be included for every "
     "message.<|end|>' }}{% if messages[0].role == 'system' %}{% set developer_message = messages[0].content %}"
     "{% set messages = messages[1:] %}{% else %}{% set developer_message = '' %}{% endif %}{% if developer_message %}"
     "{{ '<|start|>developer<|message|># Instructions\\n\\n' + developer_message + '\\n\\n<|end|>' }}{% endif %}"
     "{% for message in messages %}{% if message.role == 'assistant' %}"
     "{% if '<|channel|>analysis<|message|>' in message.content or '<|channel|>final<|message|>' in message.content %}"
     "{{ raise_exception('an answer has channels in its text') }}{% endif %}"
     "{{ '<|start|>assistant<|channel|>final<|message|>' + message.content + '<|end|>' }}{% else %}"
     "{{ '<|start|>user<|message|>' + message.content + '<|end|>' }}{% endif %}{% endfor %}"
     "{% if add_generation_prompt %}{{ '<|start|>assistant' }}{% endif %}",
     recogniseGptOss},
    {"gemma",
     "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
     "{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
     "{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}"
     "{% set role = 'model' if message['role'] == 'assistant' else message['role'] %}"
     "{{ '<start_of_turn>' + role + '\\n' + message['content'] | trim + '<end_of_turn>\\n' }}{% endfor %}"
     "{% if add_generation_prompt %}{{ '<start_of_turn>model\\n' }}{% endif %}",
     recogniseGemma},
    {"gemma3",
     "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{% set first_user_prefix = messages[0]['content'] + '\\n\\n' %}"
     "{% set messages = messages[1:] %}{% else %}{% set first_user_prefix = '' %}{% endif %}{% for message in messages %}"
     "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
     "{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}"
     "{% set role = 'model' if message['role'] == 'assistant' else message['role'] %}"
     "{{ '<start_of_turn>' + role + '\\n' + (first_user_prefix if loop.first else '') + message['content'] | trim + "
     "'<end_of_turn>\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<start_of_turn>model\\n' }}{% endif %}",
     recogniseGemma3},
};

}  // namespace

std::span<const ChatFamily> headerFamilies() { return kFamilies; }

}  // namespace quern
