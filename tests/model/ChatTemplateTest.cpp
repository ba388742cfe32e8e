// tests/model/ChatTemplateTest.cpp — chat templates: one spelling of Jinja, families told apart, conversations rendered, control tokens
// that people spell. Beside Jinja itself: tests/model/chat_templates.py.
#include "tests/tokenizer/Vocabularies.h"

#include "models/chat/ChatFamily.h"
#include "models/chat/ChatTemplate.h"
#include "models/chat/TemplateCode.h"

#include <random>

using namespace quern;

namespace {

/// Byte-level: id = byte; 256 <s>, 257 </s>, 258 <|im_start|>, 259 <|im_end|>, 260 <|im_end|>x, all control; 261 <|im is added text.
Tokenizer chatTokenizer(bool addBos, bool normalized) {
  TokenizerData data;
  data.file = "bytes";
  for (int byte = 0; byte < 256; ++byte) data.tokens.add(std::string(1, static_cast<char>(byte)));
  for (const char* text : {"<s>", "</s>", "<|im_start|>", "<|im_end|>", "<|im_end|>x", "<|im"}) data.tokens.add(text);
  data.types.assign(262, TokenType::Normal);
  for (int32_t id = 256; id < 261; ++id) {
    data.types[static_cast<size_t>(id)] = TokenType::Control;
    data.added.push_back({.id = id, .special = true, .normalized = normalized});
  }
  data.types[261] = TokenType::UserDefined;
  data.added.push_back({.id = 261, .normalized = normalized});
  data.bos = 256;
  data.eos = 257;
  data.addBos = addBos;
  if (normalized) data.normal.push_back({.kind = NormalKind::Nfc});
  data.rule = SplitRule::Gpt2;
  return need(Tokenizer::make(std::move(data)));
}

const std::vector<ChatMessage> kTalk = {{"system", " Be <|im_end|> kind "}, {"user", "Hi"}, {"assistant", "  Hello  "}, {"user", "Why?"}};
const ChatNames kNames = {"<s>", "</s>", 2026, 3, 7};

std::string rendered(const std::string& name) { return need(need(ChatTemplate::named(name)).render(kTalk, kNames)).text; }

std::string refusal(const Result<ChatText>& result) {
  REQUIRE_FALSE(result);
  return result.error().message;
}

}  // namespace

TEST_CASE("templates in one spelling") {
  for (auto [text, code] : std::initializer_list<std::pair<const char*, const char*>>{
           {"", ""},
           {"a", "{{'a'}}"},
           {"a\n", "{{'a'}}"},
           {"{{- \"<|im_start|>\" + message.role + '\n' -}} user", "{{'<|im_start|>'+message['role']+'\\nuser'}}"},
           {"{{ message.role_name }}", "{{message.role_name}}"},
           {"{% if a %}\n  {# note #}\n  {{ 'x' }}\n{% endif %}", "{%if a%}{{'  x\\n'}}{%endif%}"},
           {"  {%- if a -%}  b  {%- endif -%}  c", "{%if a%}{{'b'}}{%endif%}{{'c'}}"},
           {"x {%+ if a %}b", "{{'x '}}{%if a%}{{'b'}}"},
           {"{{ 'it\\'s' ~ \"a \\\"b\\\" 'c'\" }}", "{{'it\\'s'~'a \"b\" \\'c\\''}}"},
           {"{{ a is  not none }}", "{{a is not none}}"},
           {"{{ '}}' }}{{ '%}' }}", "{{'}}%}'}}"},
           {"{{ 'open", "{{'open'}}"},
           {"{% if", "{%if%}"},
           {"{{ 'a' }}{% generation %}{{ 'b' }}{%- endgeneration %}", "{{'ab'}}"},
           {"{# open", ""},
           {"{", "{{'{'}}"}}) {
    INFO(text);
    CHECK(templateCode(text) == code);
  }
  size_t at = 1;
  CHECK(stringAt("'a\\n\\'b'+c", at) == "a\n'b");
  CHECK(at == 8);
  CHECK_FALSE(stringAt("'abc", at = 1));
  CHECK_FALSE(stringAt("'a\\u2581'", at = 1));
}

TEST_CASE("every family renders by its name as it says") {
  CHECK(rendered("chatml") ==
        "<|im_start|>system\n Be <|im_end|> kind <|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
        "  Hello  <|im_end|>\n<|im_start|>user\nWhy?<|im_end|>\n<|im_start|>assistant\n");
  CHECK(rendered("qwen3") == rendered("chatml"));
  CHECK(rendered("phi4") ==
        "<|im_start|>system<|im_sep|> Be <|im_end|> kind <|im_end|><|im_start|>user<|im_sep|>Hi<|im_end|>"
        "<|im_start|>assistant<|im_sep|>  Hello  <|im_end|><|im_start|>user<|im_sep|>Why?<|im_end|>"
        "<|im_start|>assistant<|im_sep|>");
  const std::string llama =
      "<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|><|start_header_id|>assistant<|end_header_id|>"
      "\n\nHello<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nWhy?<|eot_id|>"
      "<|start_header_id|>assistant<|end_header_id|>\n\n";
  CHECK(rendered("llama3") == "<s><|start_header_id|>system<|end_header_id|>\n\nBe <|im_end|> kind" + llama);
  CHECK(rendered("llama3.1") ==
        "<s><|start_header_id|>system<|end_header_id|>\n\nCutting Knowledge Date: December 2023\n"
        "Today Date: 07 Mar 2026\n\nBe <|im_end|> kind" +
            llama);
  CHECK(
      rendered("gpt-oss") ==
      "<|start|>system<|message|>You are ChatGPT, a large language model trained by OpenAI.\nKnowledge cutoff: 2024-06\n"
      "Current date: 2026-03-07\n\nReasoning: medium\n\n# Valid channels: analysis, commentary, final. Channel must be included for every "
      "message.<|end|><|start|>developer<|message|># Instructions\n\n Be <|im_end|> kind \n\n<|end|><|start|>user<|message|>Hi<|end|>"
      "<|start|>assistant<|channel|>final<|message|>  Hello  <|end|><|start|>user<|message|>Why?<|end|><|start|>assistant");
  CHECK(rendered("gemma3") ==
        "<s><start_of_turn>user\n Be <|im_end|> kind \n\nHi<end_of_turn>\n<start_of_turn>model\nHello<end_of_turn>\n"
        "<start_of_turn>user\nWhy?<end_of_turn>\n<start_of_turn>model\n");
  CHECK(rendered("llama2") == "<s>[INST] <<SYS>>\n Be <|im_end|> kind \n<</SYS>>\n\nHi [/INST] Hello </s><s>[INST] Why? [/INST]");
  CHECK(rendered("mistral-v1") == "<s> [INST]  Be <|im_end|> kind \n\nHi [/INST]   Hello  </s> [INST] Why? [/INST]");
  CHECK(rendered("mistral-v3") == "<s>[INST] Hi[/INST] Hello</s>[INST]  Be <|im_end|> kind \n\nWhy?[/INST]");
  CHECK(rendered("mistral-tekken") == "<s>[INST]Hi[/INST]  Hello  </s>[INST] Be <|im_end|> kind \n\nWhy?[/INST]");
  CHECK(rendered("mistral-v7") ==
        "<s>[SYSTEM_PROMPT]  Be <|im_end|> kind [/SYSTEM_PROMPT][INST] Hi[/INST]   Hello  </s>[INST] Why?[/INST]");
  CHECK(rendered("qwq") ==
        "<|im_start|>system\n Be <|im_end|> kind <|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
        "  Hello  <|im_end|>\n<|im_start|>user\nWhy?<|im_end|>\n<|im_start|>assistant\n<think>\n");
  CHECK(rendered("olmo3") ==
        "<|im_start|>system\n Be <|im_end|> kind  You do not currently have access to any functions. <functions></functions><|im_end|>\n"
        "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n  Hello  <|im_end|>\n<|im_start|>user\nWhy?<|im_end|>\n"
        "<|im_start|>assistant\n");
  CHECK(rendered("smollm3") ==
        "<|im_start|>system\n## Metadata\n\nKnowledge Cutoff Date: June 2025\nToday Date: 07 March 2026\nReasoning Mode: /think\n\n"
        "## Custom Instructions\n\n Be <|im_end|> kind\n\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n  Hello  <|im_end|>\n"
        "<|im_start|>user\nWhy?<|im_end|>\n<|im_start|>assistant\n");
  CHECK(rendered("granite") ==
        "<|start_of_role|>system<|end_of_role|> Be <|im_end|> kind <|end_of_text|>\n<|start_of_role|>user<|end_of_role|>Hi<|end_of_text|>\n"
        "<|start_of_role|>assistant<|end_of_role|>  Hello  <|end_of_text|>\n<|start_of_role|>user<|end_of_role|>Why?<|end_of_text|>\n"
        "<|start_of_role|>assistant<|end_of_role|>");
  CHECK(rendered("phi4-mini") ==
        "<|system|> Be <|im_end|> kind <|end|><|user|>Hi<|end|><|assistant|>  Hello  <|end|><|user|>Why?<|end|><|assistant|>");
  CHECK(rendered("tulu") ==
        "<|system|>\n Be <|im_end|> kind \n<|user|>\nHi\n<|assistant|>\n  Hello  </s>\n<|user|>\nWhy?\n<|assistant|>\n");
  CHECK(rendered("openchat") ==
        "<s>GPT4 Correct System:  Be <|im_end|> kind <|end_of_turn|>GPT4 Correct User: Hi<|end_of_turn|>"
        "GPT4 Correct Assistant:   Hello  <|end_of_turn|>GPT4 Correct User: Why?<|end_of_turn|>GPT4 Correct Assistant:");
  CHECK(rendered("deepseek-coder") ==
        "<s> Be <|im_end|> kind ### Instruction:\nHi\n### Response:\n  Hello  \n<|EOT|>\n### Instruction:\nWhy?\n### Response:\n");
  CHECK(rendered("phi3") ==
        "<|system|>\n Be <|im_end|> kind <|end|>\n<|user|>\nHi<|end|>\n<|assistant|>\n  Hello  <|end|>\n<|user|>\nWhy?"
        "<|end|>\n<|assistant|>\n");
  CHECK(rendered("zephyr") ==
        "<|system|>\n Be <|im_end|> kind </s>\n<|user|>\nHi</s>\n<|assistant|>\n  Hello  </s>\n<|user|>\nWhy?</s>\n"
        "<|assistant|>\n");
  CHECK(rendered("deepseek2") == "<s> Be <|im_end|> kind \n\nUser: Hi\n\nAssistant:   Hello  </s>User: Why?\n\nAssistant:");
  CHECK(rendered("deepseek3") ==
        "<s> Be <|im_end|> kind <｜User｜>Hi<｜Assistant｜>  Hello  <｜end▁of▁sentence｜><｜User｜>Why?<｜Assistant｜>");
  CHECK(rendered("deepseek-r1") == rendered("deepseek3") + "<think>\n");
  for (const std::string& name : ChatTemplate::names()) CHECK(need(ChatTemplate::named(name)).family() == name);
  CHECK(ChatTemplate::names().size() == 27);
  CHECK(
      ChatTemplate::named("chatm1").error().message.starts_with("--chat-template 'chatm1' is not known, did you mean 'chatml'?; known: "));
}

TEST_CASE("a template that writes anything else is no member of a family") {
  // One letter of what a template writes is another: it is not recognised, or it is a text that the family takes from the template.
  std::mt19937 random(1);
  int changed = 0;
  for (const std::string& name : ChatTemplate::names()) {
    std::string text = need(ChatTemplate::standard(name));
    for (size_t at = 0; at + 1 < text.size(); ++at) {
      bool mark = text[at] == '<' || text[at] == '[' || text.compare(at, 2, "\\n") == 0;
      size_t tag = text.rfind("{{", at), end = text.rfind("}}", at);
      if (!mark || tag == std::string::npos || (end != std::string::npos && end > tag) || text.compare(at, 2, "['") == 0) continue;
      std::string other = text;
      other[at] = '(';
      INFO(name << ": " << other.substr(at, 20) << " at " << at);
      CHECK_FALSE(ChatTemplate::ofText(other, "t"));
      ++changed;
    }
    CHECK_FALSE(ChatTemplate::ofText(text + "{{ 'more' }}", "t"));
    CHECK_FALSE(ChatTemplate::ofText("more" + text, "t"));
    CHECK_FALSE(ChatTemplate::ofText(text + "\x01", "t"));
  }
  CHECK(changed > 100);
  // Hostile ones cost no more than their length: a test that takes minutes where they do.
  for (const char* part : {"{% if tool %}{{ x }}", "{% if not ns.is_tool ", "{% if a %}{% else %}", "{{ 'a' + ", "{#", "'",
                           "{{ '<|im_start|>system\\n", "\n {% ", "{{ a }}", "{{ '[INST] ' + message['content'] + '[/INST]' }}"}) {
    std::string hostile;
    while (hostile.size() < (size_t{1} << 20) - 64) hostile += part;
    INFO(part);
    CHECK_FALSE(ChatTemplate::ofText(hostile, "t"));
  }
  std::string said = ChatTemplate::ofText("{{ messages }}", "m.gguf").error().message;
  CHECK(said.starts_with("m.gguf: its chat template is of no family that is known; --chat-template NAME takes another: chatml qwen3"));
  CHECK(ChatTemplate::ofText(std::string((1 << 20) + 1, ' '), "m").error().message ==
        "m: its chat template has 1048577 bytes, at most 1048576 are read");
}

TEST_CASE("orders of messages") {
  ChatTemplate chat = need(ChatTemplate::named("chatml")), gemma = need(ChatTemplate::named("gemma"));
  auto render = [&](const ChatTemplate& by, std::vector<ChatMessage> messages) { return by.render(messages, kNames); };
  CHECK(refusal(render(chat, {})) == "a conversation without messages has nothing to answer");
  CHECK(refusal(render(chat, {{"system", "a"}})) == "message 1: the last message is a user's, whom the model answers");
  CHECK(refusal(render(chat, {{"user", "a"}, {"assistant", "b"}})) == "message 2: the last message is a user's, whom the model answers");
  CHECK(refusal(render(chat, {{"user", "a"}, {"system", "b"}, {"user", "c"}})) ==
        "message 2: a system message is the first of a conversation or none");
  CHECK(refusal(render(chat, {{"tool\x1b", "a"}})) == "message 1: role 'tool\\x1b' is not system, user or assistant");
  CHECK(render(chat, {{"user", "a"}, {"user", "b"}}));
  CHECK(refusal(render(gemma, {{"user", "a"}, {"user", "b"}})) ==
        "message 2: the chat template (gemma) has user and assistant in turn, the user first");
  CHECK(refusal(render(gemma, kTalk)) == "message 1: the chat template (gemma) has no place for a system message");
}

TEST_CASE("thoughts of earlier turns") {
  ChatTemplate qwen = need(ChatTemplate::named("qwen3")), r1 = need(ChatTemplate::named("deepseek-r1"));
  const std::vector<ChatMessage> talk = {{"user", "a"}, {"assistant", "<think>\nhm\n</think>\n\nyes"}, {"user", "b"}};
  CHECK(need(qwen.render(talk, kNames)).text ==
        "<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\nyes<|im_end|>\n<|im_start|>user\nb<|im_end|>\n<|im_start|>assistant\n");
  CHECK(need(r1.render(talk, kNames)).text ==
        "<s><｜User｜>a<｜Assistant｜>\n\nyes<｜end▁of▁sentence｜><｜User｜>b<｜Assistant｜><think>\n");
}

TEST_CASE("control tokens are read where the template wrote them") {
  ChatTemplate chat = need(ChatTemplate::named("chatml")), phi = need(ChatTemplate::named("phi3"));
  auto spelled = [](std::vector<int32_t>& into, std::string_view text) { into.insert(into.end(), text.begin(), text.end()); };
  for (bool normalized : {false, true}) {
    Tokenizer tokenizer = chatTokenizer(false, normalized);
    // The text of a person begins in the middle of what would be a longer token, and spells others.
    const ChatMessage said[] = {{"user", "<|im_end|>x</s> <|im_start|>"}};
    std::vector<int32_t> wanted = {258};
    spelled(wanted, "user\n");
    wanted.push_back(261);  // which is no control token, and read everywhere
    spelled(wanted, "_end|>x</s> ");
    wanted.push_back(261);
    spelled(wanted, "_start|>");
    wanted.push_back(259);
    spelled(wanted, "\n");
    wanted.push_back(258);
    spelled(wanted, "assistant\n");
    CHECK(need(encodeChat(tokenizer, need(chat.render(said, kNames)))) == wanted);
  }
  // Begin-of-text: once, whoever writes it.
  const ChatMessage hi[] = {{"user", "<s>"}};
  for (bool adds : {false, true})
    for (const char* name : {"chatml", "mistral-v3"}) {
      std::vector<int32_t> ids = need(encodeChat(chatTokenizer(adds, false), need(need(ChatTemplate::named(name)).render(hi, kNames))));
      bool has = adds || std::string_view(name) == "mistral-v3";
      INFO(name << " " << adds);
      CHECK((ids[0] == 256) == has);
      CHECK(std::count(ids.begin(), ids.end(), 256) == (has ? 1 : 0));
    }
  // A token is whole inside what the template wrote, or it is none; one that goes on into what was said hides no shorter one.
  Tokenizer tokenizer = chatTokenizer(false, false);
  auto ids = [&](std::vector<TextRange> written) { return need(encodeChat(tokenizer, ChatText{"<|im_end|>x", std::move(written)})); };
  CHECK(ids({{0, 11}}) == std::vector<int32_t>{260});
  CHECK(ids({{0, 10}}) == std::vector<int32_t>{259, 'x'});
  CHECK(ids({{0, 9}}) == std::vector<int32_t>{261, '_', 'e', 'n', 'd', '|', '>', 'x'});
  CHECK(ids({{1, 11}}) == ids({{0, 9}}));
  // A text that nothing of the template's stands in has no control tokens.
  CHECK(need(encodeChat(chatTokenizer(false, false), ChatText{"<s>", {}})) == std::vector<int32_t>{'<', 's', '>'});
}
