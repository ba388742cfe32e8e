// models/chat/ChatMlFamilies.cpp — turns between <|im_start|> and <|im_end|>.
#include "models/chat/ChatFamily.h"

namespace quern {

namespace {

constexpr std::string_view kTurn = "'<|im_start|>'+message['role']+'\\n'+message['content']+'<|im_end|>\\n'";
constexpr std::string_view kSystemTurn = "'<|im_start|>system\\n'+messages[0]['content']+'<|im_end|>\\n'";
constexpr std::string_view kDefaultSystem = "'<|im_start|>system\\n*<|im_end|>\\n'";
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

/// With a system message of the template's own where there is none, or without.
std::optional<ChatForm> recogniseChatMl(const TemplateReader& reader) {
  if (!reader.writes(kTurn) || !reader.writes(kAnswer) || reader.hasAny({"think", "reasoning", ".strip(", "|trim", "last_query_index"}))
    return std::nullopt;
  if (!reader.writesOnly({kTurn, kSystemTurn, kDefaultSystem, kAnswer, "bos_token"})) return std::nullopt;
  ChatForm form = chatMl();
  form.bos = reader.beginsWithBos();
  if (reader.writes(kDefaultSystem) && (form.defaultSystem = reader.stringBetween("'<|im_start|>system\\n", "<|im_end|>")) == std::nullopt)
    return std::nullopt;
  return form;
}

/// Qwen 3: what was thought before the last question is left out.
std::optional<ChatForm> recogniseQwen3(const TemplateReader& reader) {
  constexpr std::string_view kThought =
      "'<|im_start|>'+message['role']+'\\n<think>\\n'+reasoning_content.strip('\\n')+'\\n</think>\\n\\n'+content.lstrip('\\n')";
  constexpr std::string_view kAnswered = "'<|im_start|>'+message['role']+'\\n'+content";
  bool told = reader.writes(kTurn) && reader.writes(kThought) && reader.writes(kAnswered) &&
              reader.has("{%set content=message['content'].split('</think>')[-1].lstrip('\\n')%}") &&
              reader.has(".split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n')%}") && reader.has("ns.last_query_index");
  if (!told || !reader.writesOnly(
                   {kTurn, kSystemTurn, kThought, kAnswered, kAnswer, kThinkingAnswer, "'<|im_end|>\\n'", "'<think>\\n\\n</think>\\n\\n'"}))
    return std::nullopt;
  bool thinks = reader.writes(kThinkingAnswer);
  if (thinks == reader.writes(kAnswer)) return std::nullopt;
  ChatForm form = chatMl();
  form.thoughts = Thoughts::UpToQuery;
  if (thinks) form.answer = "<|im_start|>assistant\n<think>\n";
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
  if (reader.writes(kUser) && reader.writes(kAssistant) && reader.writes(kSepAnswer) &&
      reader.writesOnly({kSystem, kUser, kAssistant, kSepAnswer}))
    return form;
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
     "{% for message in messages %}{% if message.role != 'assistant' %}"
     "{{ '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}{% else %}"
     "{% set content = message.content %}{% set reasoning_content = '' %}{% if '</think>' in message.content %}"
     "{% set content = message.content.split('</think>')[-1].lstrip('\\n') %}"
     "{% set reasoning_content = message.content.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') %}{% endif %}"
     "{% if loop.index0 > ns.last_query_index and (loop.last or reasoning_content) %}"
     "{{ '<|im_start|>' + message.role + '\\n<think>\\n' + reasoning_content.strip('\\n') + '\\n</think>\\n\\n' + content.lstrip('\\n') }}"
     "{% else %}{{ '<|im_start|>' + message.role + '\\n' + content }}{% endif %}{{ '<|im_end|>\\n' }}{% endif %}{% endfor %}"
     "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}",
     recogniseQwen3},
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
