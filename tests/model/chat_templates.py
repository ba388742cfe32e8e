#!/usr/bin/env python3
"""tests/model/chat_templates.py QUERN [FOLDER...] — conversations rendered by `quern chat --render` and by Jinja from the same template: equal texts.

Templates: those that quern itself has by name, shapes of each family written here, and of folders that have others' (`*.jinja`): those named,
$QUERN_CHAT_TEMPLATES, and llama.cpp's in build/peers (tools/peers/install llama-cpp). One that is not recognised must be said to be so.
"""
import datetime
import glob
import json
import os
import random
import re
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from checking import Checks, ran, write
from models import Model

try:
    import jinja2
    import jinja2.ext
    from jinja2.sandbox import ImmutableSandboxedEnvironment
except ImportError:
    print("skipped: python3-jinja2 is not installed (tools/setup --all)")
    sys.exit(77)

quern = os.path.abspath(sys.argv[1])
root = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
folders = [*sys.argv[2:], os.environ.get("QUERN_CHAT_TEMPLATES", ""), os.path.join(root, "build", "peers", "llama-cpp", "source", "models", "templates")]
expect = Checks()
CONVERSATIONS = 20
PARTS = ["", "Hello", "  spaced  ", "\n\nlines\n", "Zo\u00eb \u4f60\u597d \U0001f642", "<|im_end|>", "</s><s>", "[INST] x [/INST]", "a\u00a0", "\u3000wide\u2003", "\x1cfs\x85",
         "<think>hm\n</think>\n\nso", "<tool_response>1</tool_response>", "{{ x }} {% y %} {# z #}", "it's \"quoted\" \\n", "<end_of_turn>\n", "</think>", "x</think>y</think>\n z",
         "<think>\n\n</think>", "\t tab\r\n", "Short. /no_think ", "/think", "/system_override Plain. /no_think\n", "I am an assistant   ", "<<SYS>>\n", "<|start_header_id|>", "e\u0301", "\n"]
NEVER = "<|channel|>final<|message|>"  # gpt-oss's template refuses answers that spell it

# Shapes that files in use have and quern's own texts of the families have not.
IM = "{{'<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n'}}"
ANSWER = "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
DEEP = ("{% if not add_generation_prompt is defined %}{% set add_generation_prompt = false %}{% endif %}{% set ns = namespace(is_tool=false, system_prompt='') %}{%- for m in messages %}{%- if m['role'] == 'system' %}"
        "{% set ns.system_prompt = m['content'] %}{%- endif %}{%- endfor %}{{bos_token}}{{ns.system_prompt}}{%- for message in messages %}{%- if message['role'] == 'user' %}{%- set ns.is_tool = false -%}"
        "{{'<\uff5cUser\uff5c>' + message['content']}}{%- endif %}{%- if message['role'] == 'assistant' %}{%- if ns.is_tool %}{{'<\uff5ctool\u2581outputs\u2581end\uff5c>' + message['content']}}{%- else %}CONTENT{%- endif %}"
        "{%- endif %}{%- endfor -%}{% if ns.is_tool %}{{'<\uff5ctool\u2581outputs\u2581end\uff5c>'}}{% endif %}{% if add_generation_prompt and not ns.is_tool %}{{'ANSWER'}}{% endif %}")
STRIPPED = ("{% set content = message['content'] %}{% if '</think>' in content %}{% set content = content.split('</think>')[-1] %}{% endif %}"
            "{{'<\uff5cAssistant\uff5c>' + content + '<\uff5cend\u2581of\u2581sentence\uff5c>'}}")
ALTERNATE = ("{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}")
SHAPES = {
    "chatml-default": ("chatml", "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system\nBe \\'kind\\'.<|im_end|>\n' }}{% endif %}" + IM + "{% endfor %}" + ANSWER),
    "chatml-bos": ("chatml", "{{ bos_token }}{% for message in messages %}" + IM + "{% endfor %}" + ANSWER),
    "chatml-members": ("chatml", "{%- for message in messages %}\n  {{- \"<|im_start|>\" + message.role + \"\n\" + message.content + \"<|im_end|>\" }}\n  {{- '\n' }}\n{%- endfor %}\n{%- if add_generation_prompt %}\n  {{- '<|im_start|>assistant\n' }}\n{%- endif %}\n"),
    "phi4-joined": ("phi4", "{% for message in messages %}{% if (message['role'] == 'system') %}{{'<|im_start|>system<|im_sep|>' + message['content'] + '<|im_end|>'}}{% elif (message['role'] == 'user') %}"
                    "{{'<|im_start|>user<|im_sep|>' + message['content'] + '<|im_end|><|im_start|>assistant<|im_sep|>'}}{% elif (message['role'] == 'assistant') %}{{message['content'] + '<|im_end|>'}}{% endif %}{% endfor %}"),
    "llama3-set": ("llama3", "{% set loop_messages = messages %}{% for message in loop_messages %}{% set content = '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n'+ message['content'] | trim + '<|eot_id|>' %}"
                   "{% if loop.index0 == 0 %}{% set content = bos_token + content %}{% endif %}{{ content }}{% endfor %}{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"),
    "llama3.1-dated": ("llama3.1", "{{- bos_token }}\n{%- if not date_string is defined %}\n  {%- set date_string = \"26 Jul 2024\" %}\n{%- endif %}\n{%- if messages[0]['role'] == 'system' %}\n  {%- set system_message = messages[0]['content']|trim %}\n"
                       "  {%- set messages = messages[1:] %}\n{%- else %}\n  {%- set system_message = \"\" %}\n{%- endif %}\n{{- \"<|start_header_id|>system<|end_header_id|>\\n\\n\" }}\n{%- if tools %}\n{{- \"Tools\" }}\n{%- endif %}\n"
                       "{{- \"Cutting Knowledge Date: December 2023\\n\" }}\n{{- \"Today Date: \" + date_string + \"\\n\\n\" }}\n{%- if tools %}{{- \"Tools\" }}{%- endif %}\n{{- system_message }}\n{{- \"<|eot_id|>\" }}\n{%- for message in messages %}\n"
                       "{{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n'+ message['content'] | trim + '<|eot_id|>' }}\n{%- endfor %}\n{%- if add_generation_prompt %}\n{{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}\n{%- endif %}\n"),
    "gemma-without-bos": ("gemma", "{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}{% for message in messages %}" + ALTERNATE + "{% if (message['role'] == 'assistant') %}{% set role = 'model' %}"
                          "{% else %}{% set role = message['role'] %}{% endif %}{{ '<start_of_turn>' + role + '\\n' + message['content'] | trim + '<end_of_turn>\\n' }}{% endfor %}{% if add_generation_prompt %}{{'<start_of_turn>model\\n'}}{% endif %}"),
    "mistral-8x22": ("mistral-v1", "{{bos_token}}{% for message in messages %}" + ALTERNATE + "{% if message['role'] == 'user' %}{{ ' [INST] ' + message['content'] + ' [/INST]' }}{% elif message['role'] == 'assistant' %}"
                     "{{ ' ' + message['content'] + ' ' + eos_token}}{% else %}{{ raise_exception('Only user and assistant roles are supported!') }}{% endif %}{% endfor %}"),
    "phi3-joined": ("phi3", "{{ bos_token }}{% for message in messages %}{% if (message['role'] == 'user') %}{{'<|user|>' + '\n' + message['content'] + '<|end|>' + '\n' + '<|assistant|>' + '\n'}}"
                    "{% elif (message['role'] == 'assistant') %}{{message['content'] + '<|end|>' + '\n'}}{% endif %}{% endfor %}"),
    "phi3-apart": ("phi3", "{% for message in messages %}{% if message['role'] == 'system' and message['content'] %}{{'<|system|>\n' + message['content'] + '<|end|>\n'}}{% elif message['role'] == 'user' %}{{'<|user|>\n' + message['content'] + '<|end|>\n'}}"
                   "{% elif message['role'] == 'assistant' %}{{'<|assistant|>\n' + message['content'] + '<|end|>\n'}}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% else %}{{ eos_token }}{% endif %}"),
    "zephyr-lines": ("zephyr", "{% for message in messages %}\n{% if message['role'] == 'user' %}\n{{ '<|user|>\n' + message['content'] + eos_token }}\n{% elif message['role'] == 'system' %}\n{{ '<|system|>\n' + message['content'] + eos_token }}\n"
                     "{% elif message['role'] == 'assistant' %}\n{{ '<|assistant|>\n'  + message['content'] + eos_token }}\n{% endif %}\n{% if loop.last and add_generation_prompt %}\n{{ '<|assistant|>' }}\n{% endif %}\n{% endfor %}"),
    "deepseek-v3": ("deepseek3", DEEP.replace("CONTENT", "{{'<\uff5cAssistant\uff5c>' + message['content'] + '<\uff5cend\u2581of\u2581sentence\uff5c>'}}").replace("ANSWER", "<\uff5cAssistant\uff5c>")),
    "deepseek-r1-first": ("deepseek-r1", DEEP.replace("CONTENT", STRIPPED).replace("ANSWER", "<\uff5cAssistant\uff5c>")),
    "deepseek-r1-later": ("deepseek-r1", DEEP.replace("CONTENT", STRIPPED).replace("ANSWER", "<\uff5cAssistant\uff5c><think>\\n")),
}
# Templates that set what is missing, take contents in parts, or join an answer's beginning to the question.
SET = "{%% if messages[0]['role'] == 'system' %%}{%% set loop_messages = messages[1:] %%}{%% set system_message = messages[0]['content'] %%}{%% else %%}{%% set loop_messages = messages %%}{%% set system_message = %s %%}{%% endif %%}"
ROLE = "<|start_of_role|>%s<|end_of_role|>"
TODAY = "{% set today = strftime_now('%Y-%m-%d') %}{% set default_system_message = 'It\\'s ' + today + '.\nBe kind.' %}"
WHOLE = "{{ '[INST]' + message['content'] + '[/INST]' }}"
SMALL = ("TODAY{{ bos_token }}{% if messages[0]['role'] == 'system' %}{% set system_message = GIVEN %}{% set loop_messages = messages[1:] %}{% else %}{% set system_message = default_system_message %}{% set loop_messages = messages %}{% endif %}"
         "{{ '[SYSTEM_PROMPT]' + system_message + '[/SYSTEM_PROMPT]' }}{% for message in loop_messages %}{% if message['role'] == 'user' %}QUESTION{% elif message['role'] == 'system' %}"
         "{{ '[SYSTEM_PROMPT]' + message['content'] + '[/SYSTEM_PROMPT]' }}{% elif message['role'] == 'assistant' %}{{ message['content'] + eos_token }}{% endif %}{% endfor %}").replace("TODAY", TODAY)
GEMMA_PARTS = ("{{ bos_token }}{% if messages[0]['role'] == 'system' %}{% set first_user_prefix = messages[0]['content'][0]['text'] + '\n\n' %}{% set loop_messages = messages[1:] %}{% else %}{% set first_user_prefix = '' %}{% set loop_messages = messages %}{% endif %}"
               "{% for message in loop_messages %}" + ALTERNATE + "{% if message['role'] == 'assistant' %}{% set role = 'model' %}{% else %}{% set role = message['role'] %}{% endif %}{{ '<start_of_turn>' + role + '\n' + (first_user_prefix if loop.first else '') }}"
               "{{ message['content'] | trim }}{{ '<end_of_turn>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}")
QWEN_TEXTS = ("{% if messages[0].role == 'system' %}{{ '<|im_start|>system\n' + messages[0].content + '<|im_end|>\n' }}{% endif %}BEFORE{% for message in messages %}{% if message.content is string %}{% set content = message.content %}{% else %}{% set content = '' %}{% endif %}"
              "{% if message.role == 'user' or (message.role == 'system' and not loop.first) %}{{ '<|im_start|>' + message.role + '\n' + content + '<|im_end|>' + '\n' }}{% elif message.role == 'assistant' %}ANSWER{{ '<|im_end|>\n' }}{% endif %}{% endfor %}")
OPEN = "{{ '<|im_start|>' + message.role + '\n' + content }}"
QUERY = ("{% set ns = namespace(last_query_index=messages|length - 1) %}{% for message in messages %}{% if message.role == 'user' and not (message.content.startswith('<tool_response>') and message.content.endswith('</tool_response>')) %}"
         "{% set ns.last_query_index = loop.index0 %}{% endif %}{% endfor %}")
THOUGHT = ("{% set reasoning_content = '' %}{% if '</think>' in content %}{% set reasoning_content = content.split('</think>')[0].rstrip('\n').split('<think>')[-1].lstrip('\n') %}{% set content = content.split('</think>')[-1].lstrip('\n') %}{% endif %}"
           "{% if loop.index0 > ns.last_query_index and (loop.last or reasoning_content) %}{{ '<|im_start|>' + message.role + '\n<think>\n' + reasoning_content.strip('\n') + '\n</think>\n\n' + content.lstrip('\n') }}{% else %}" + OPEN + "{% endif %}")
SHAPES.update({
    "chatml-pieces": ("chatml", "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system\nBe kind<|im_end|>\n' }}{% endif %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] }}"
                      "{% if (loop.last and add_generation_prompt) or not loop.last %}{{ '<|im_end|>' + '\n' }}{% endif %}{% endfor %}" + ANSWER),
    "chatml-set": ("chatml", SET % "'Be \\'kind\\'.'" + "{% for message in loop_messages %}{% if loop.index0 == 0 %}{{ '<|im_start|>system\n' + system_message + '<|im_end|>\n' }}{% endif %}" + IM + "{% endfor %}" + ANSWER),
    "chatml-questions": ("chatml", "{% if messages[0]['role'] == 'system' %}{% set system_message = messages[0]['content'] %}{% endif %}{% if system_message is defined %}{{ '<|im_start|>system\n' + system_message + '<|im_end|>\n' }}{% endif %}"
                         "{% for message in messages %}{% set content = message['content'] %}{% if message['role'] == 'user' %}{{ '<|im_start|>user\n' + content + '<|im_end|>\n<|im_start|>assistant\n' }}{% elif message['role'] == 'assistant' %}"
                         "{{ content + '<|im_end|>' + '\n' }}{% endif %}{% endfor %}"),
    "chatml-raw-system": ("chatml", "{% if messages[0]['role'] == 'system' %}{% set system_message = messages[0]['content'] %}{% endif %}{% if system_message is defined %}{{ system_message }}{% endif %}{% for message in messages %}"
                          "{% set content = message['content'] %}{% if message['role'] == 'user' %}{{ '<|im_start|>user\n' + content + '<|im_end|>\n<|im_start|>assistant\n' }}{% elif message['role'] == 'assistant' %}"
                          "{{ content + '<|im_end|>' + '\n' }}{% endif %}{% endfor %}"),
    "chatml-texts": ("chatml", QWEN_TEXTS.replace("BEFORE", "").replace("ANSWER", OPEN) + ANSWER),
    "qwen3-texts": ("qwen3", QWEN_TEXTS.replace("BEFORE", QUERY).replace("ANSWER", THOUGHT) + "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n<think>\n' }}{% endif %}"),
    "qwq-last": ("qwq", "{% for message in messages %}{% if message.role == 'assistant' %}{% set content = message.content %}{% if not loop.last %}{% set content = message.content.split('</think>')[-1].lstrip('\n') %}{% endif %}"
                 "{{ '<|im_start|>' + message.role + '\n' + content + '<|im_end|>\n' }}{% else %}" + IM + "{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n<think>\n' }}{% endif %}"),
    "olmo3-own": ("olmo3", "{% set has_system = messages|selectattr('role', 'equalto', 'system')|list|length > 0 %}{% if not has_system %}{{ '<|im_start|>system\nBe kind.<|im_end|>\n' }}{% endif %}{% for message in messages %}{% if message['role'] == 'system' %}{{ '<|im_start|>system\n' + message['content'] }}"
                  "{% if message.get('functions', none) is not none %}{{ ' <functions>' + message['functions'] + '</functions><|im_end|>\n' }}{% else %}{{ ' You do not currently have access to any functions. <functions></functions><|im_end|>\n' }}{% endif %}"
                  "{% elif message['role'] == 'user' %}{{ '<|im_start|>user\n' + message['content'] + '<|im_end|>\n' }}{% elif message['role'] == 'assistant' %}{{ '<|im_start|>assistant\n' }}{% if message.get('content', none) is not none %}"
                  "{{ message['content'] }}{% endif %}{% if not loop.last %}{{ '<|im_end|>' + '\n' }}{% else %}{{ eos_token }}{% endif %}{% endif %}{% if loop.last and add_generation_prompt %}{{ '<|im_start|>assistant\n<think>' }}{% endif %}{% endfor %}"),
    "phi4-own": ("phi4", "<|im_start|>system<|im_sep|>Be kind.<|im_end|>{% for message in messages %}{% if message['role'] == 'user' %}{{ '<|im_start|>user<|im_sep|>' + message['content'] + '<|im_end|>' }}{% elif message['role'] == 'assistant' %}"
                 "{{ '<|im_start|>assistant<|im_sep|>' }}{% generation %}{{ message['content'] + '<|im_end|>' }}{% endgeneration %}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant<|im_sep|>' }}{% endif %}"),
    "phi4-mini-own": ("phi4-mini", "{{ '<|system|>Be kind.' }}{% for message in messages %}{% if message['role'] == 'system' %} {{ message['content'] }}{% endif %}{% endfor %}{{ '<|end|>' }}{% for message in messages %}{% if message['role'] != 'system' %}"
                      "{{ '<|' + message['role'] + '|>' + message['content'] + '<|end|>' }}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>' }}{% else %}{{ eos_token }}{% endif %}"),
    "llama3-undated": ("llama3", "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{% set system_message = messages[0]['content']|trim %}{% set messages = messages[1:] %}{% else %}{% set system_message = '' %}{% endif %}"
                       "{% if not date_string is defined %}{% set date_string = '26 Jul 2024' %}{% endif %}{{ '<|start_header_id|>system<|end_header_id|>\n\n' }}{% if tools is defined %}{{ 'Tools' }}{% endif %}{{ system_message }}{{ '<|eot_id|>' }}"
                       "{% for message in messages %}{{ '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n' + message['content'] | trim + '<|eot_id|>' }}{% endfor %}"
                       "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"),
    "granite-roles": ("granite", "{% for message in messages %}{% if message['role'] == 'system' %}{{ '" + ROLE % "system" + "' + message['content'] + '<|end_of_text|>\n' }}{% elif message['role'] == 'user' %}{{ '" + ROLE % "user" + "' + message['content'] + '<|end_of_text|>\n' }}"
                      "{% elif message['role'] == 'assistant' %}{{ '" + ROLE % "assistant" + "' + message['content'] + '<|end_of_text|>\n' }}{% endif %}{% if loop.last and add_generation_prompt %}{{ '" + ROLE % "assistant" + "' }}{% endif %}{% endfor %}"),
    "granite-dated": ("granite", "{% if messages[0]['role'] == 'system' %}{% set system_message = messages[0]['content'] %}{% set loop_messages = messages[1:] %}{% else %}{% set system_message = \"It's \" + strftime_now('%B %d, %Y') + \".\nBe kind.\" %}"
                      "{% if tools %}{% set system_message = system_message + ' Tools' %}{% elif documents %}{% set system_message = system_message + ' Papers' %}{% else %}{% set system_message = system_message + ' Be short.' %}{% endif %}{% set loop_messages = messages %}{% endif %}"
                      "{{ '" + ROLE % "system" + "' + system_message + '<|end_of_text|>\n' }}{% if documents %}{{ 'Papers' }}{% endif %}{% for message in loop_messages %}{{ '<|start_of_role|>' + message['role'] + '<|end_of_role|>' + message['content'] + '<|end_of_text|>\n' }}"
                      "{% if loop.last and add_generation_prompt %}{{ '<|start_of_role|>assistant' }}{% if controls %}{{ ' ' + controls | tojson() }}{% endif %}{{ '<|end_of_role|>' }}{% endif %}{% endfor %}"),
    "gemma3-parts": ("gemma3", GEMMA_PARTS),
    "mistral-first": ("mistral-v1", "{{ bos_token }}{% for message in messages %}" + ALTERNATE + "{% if message['role'] == 'user' %}{{ '[INST] ' + message['content'] + ' [/INST]' }}{% elif message['role'] == 'assistant' %}{{ message['content'] + eos_token + ' ' }}"
                      "{% else %}{{ raise_exception('Only user and assistant roles are supported!') }}{% endif %}{% endfor %}"),
    "mistral-small": ("mistral-v7", SMALL.replace("GIVEN", "messages[0]['content']").replace("QUESTION", WHOLE)),
    "mistral-small-parts": ("mistral-v7", SMALL.replace("GIVEN", "messages[0]['content'][0]['text']").replace("QUESTION", "{{ '[INST]' }}{% if message['content'] is string %}{{ message['content'] }}{% endif %}{{ '[/INST]' }}")),
    "tulu-last": ("tulu", "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'system' %}{{ '<|system|>\n' + message['content'] + '\n' }}{% elif message['role'] == 'user' %}{{ '<|user|>\n' + message['content'] + '\n' }}{% elif message['role'] == 'assistant' %}"
                  "{% if not loop.last %}{{ '<|assistant|>\n'  + message['content'] + eos_token + '\n' }}{% else %}{{ '<|assistant|>\n'  + message['content'] + eos_token }}{% endif %}{% endif %}{% if loop.last and add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}{% endfor %}"),
    "deepseek-r1-questions": ("deepseek-r1", "{% set ns = namespace(is_tool=false, system_prompt='', is_last_user=false) %}{% for message in messages %}{% if message['role'] == 'system' %}{% set ns.system_prompt = message['content'] %}{% endif %}{% endfor %}{{ bos_token }}{{ ns.system_prompt }}"
                              "{% for message in messages %}{% set content = message['content'] %}{% if message['role'] == 'user' %}{% set ns.is_last_user = true %}{{ '<\uff5cUser\uff5c>' + content + '<\uff5cAssistant\uff5c>' }}{% endif %}{% if message['role'] == 'assistant' %}"
                              "{% if '</think>' in content %}{% set content = content.split('</think>')[-1] %}{% endif %}{% set ns.is_last_user = false %}{{ content + '<\uff5cend\u2581of\u2581sentence\uff5c>' }}{% endif %}{% endfor %}"
                              "{% if add_generation_prompt and not ns.is_last_user and not ns.is_tool %}{{ '<\uff5cAssistant\uff5c>' }}{% endif %}"),
})
LOOP = "{% for message in messages %}"
UNKNOWN = {
    "trimmed-users": LOOP + "{% if message.role == 'assistant' and not message.tool_calls %}" + IM + "{% elif message.role == 'user' %}{{'<|im_start|>user\\n' + message.content | trim + '<|im_end|>\\n'}}{% else %}" + IM + "{% endif %}{% endfor %}" + ANSWER,
    "kind-else": "{% if messages[0].role == 'system' and not tools %}{% else %}{{ 'Be kind.' }}{% endif %}" + LOOP + IM + "{% endfor %}" + ANSWER,
    "no-tool-turns": "{% for message in messages if message.role != 'tool' %}" + IM + "{% endfor %}" + ANSWER,
    "or-tool": LOOP + "{% if message.role == 'user' or message.role == 'tool' %}{{ '[Q]' }}{% endif %}" + IM + "{% endfor %}" + ANSWER,
    "none-or-no-tools": "{% if tools is none or tools|length == 0 %}{{ 'Be kind.' }}{% endif %}" + LOOP + IM + "{% endfor %}" + ANSWER,
    "not-functions": LOOP + "{% if not message.get('functions') %}{{ 'X' }}{% endif %}" + IM + "{% endfor %}" + ANSWER,
    "alternating": LOOP + ALTERNATE + IM + "{% endfor %}" + ANSWER,
    "system-refused": "{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}" + LOOP + IM + "{% endfor %}" + ANSWER,
    "without-systems": LOOP + "{% if message.role == 'system' %}{% continue %}{% endif %}" + IM + "{% endfor %}" + ANSWER,
    "but-systems": LOOP + "{% if message.role != 'system' %}" + IM + "{% endif %}{% endfor %}" + ANSWER,
    "with-content": LOOP + "{% if message.content %}" + IM + "{% endif %}{% endfor %}" + ANSWER,
    "filtered": "{% filter upper %}" + LOOP + IM + "{% endfor %}{% endfilter %}" + ANSWER,
    "bos-each": LOOP + "{{ bos_token }}" + IM + "{% endfor %}" + ANSWER,
    "bos-behind": LOOP + IM + "{% endfor %}{{ bos_token }}" + ANSWER,
    "bos-sometimes": "{% if messages[0]['role'] == 'user' or messages[0]['role'] == 'system' %}{{ bos_token }}{% endif %}" + LOOP + IM + "{% endfor %}" + ANSWER,
    "own-system-lost": SHAPES["llama3.1-dated"][1].replace('system_message = ""', 'system_message = "Be kind."'),
    "deepseek-own": DEEP.replace("system_prompt=''", "system_prompt='Be kind.'").replace("CONTENT", STRIPPED).replace("ANSWER", "<\uff5cAssistant\uff5c>"),
    "deepseek-marked": DEEP.replace("ns.system_prompt = m['content']", "ns.system_prompt = 'S: ' + m['content']").replace("CONTENT", STRIPPED).replace("ANSWER", "<\uff5cAssistant\uff5c>"),
    "deepseek-trimmed": DEEP.replace("CONTENT", STRIPPED.replace("message['content'] %}", "message['content'] | trim %}")).replace("ANSWER", "<\uff5cAssistant\uff5c>"),
    "qwq-twice": "{% if messages[0]['role'] == 'system' %}{{ '<|im_start|>system\\n' + messages[0]['content'] + '<|im_end|>\\n' }}{% endif %}" + SHAPES["qwq-last"][1],
    "no-tools": "{{ 'You have no tools.' }}{% for message in messages %}" + IM + "{% endfor %}" + ANSWER,
    "without-tools": "{% if not tools %}{{ 'Be kind.' }}{% endif %}{% for message in messages %}" + IM + "{% endfor %}" + ANSWER,
    "tools-none": "{% if tools is none %}{{ 'Be kind.' }}{% endif %}{% for message in messages %}" + IM + "{% endfor %}" + ANSWER,
    "else-tools": "{% if not tools %}{% else %}{{ 'Tools' }}{% endif %}{% for message in messages %}" + IM + " {% endfor %}" + ANSWER,
    "system-twice": SET.replace("messages[1:]", "messages") % "'x'" + "{{ '<|im_start|>system\n' + system_message + '<|im_end|>\n' }}{% for message in messages %}" + IM + "{% endfor %}" + ANSWER,
    "system-changed": SET % "'x'" + "{% set system_message = system_message + ' Now.' %}{{ '<|im_start|>system\n' + system_message + '<|im_end|>\n' }}{% for message in loop_messages %}" + IM + "{% endfor %}" + ANSWER,
    "other-day": "{% if messages[0]['role'] == 'system' %}{% set system_message = messages[0]['content'] %}{% set loop_messages = messages[1:] %}{% else %}{% set system_message = 'On ' + strftime_now('%d.%m.') + '.' %}{% if tools %}{% else %}"
                 "{% set system_message = system_message + ' Be short.' %}{% endif %}{% set loop_messages = messages %}{% endif %}{{ '" + ROLE % "system" + "' + system_message + '<|end_of_text|>\n' }}{% for message in loop_messages %}"
                 "{{ '<|start_of_role|>' + message['role'] + '<|end_of_role|>' + message['content'] + '<|end_of_text|>\n' }}{% endfor %}{{ '" + ROLE % "assistant" + "' }}",
    "strip": "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\\n' + message['content'].strip() + '<|im_end|>' + '\\n'}}{% endfor %}" + ANSWER,
    "last-only": "{% for message in messages %}{% if loop.last %}{{ 'now ' }}{% endif %}" + IM + "{% endfor %}" + ANSWER,
    "text-between": "{% for message in messages %}" + IM + " {% endfor %}" + ANSWER,
    "no-answer": "{% for message in messages %}" + IM + "{% endfor %}",
    "vicuna": "{% for message in messages %}{% if message['role'] == 'user' %}{{ 'USER: ' + message['content'] + '\\n' }}{% else %}{{ 'ASSISTANT: ' + message['content'] + '</s>\\n' }}{% endif %}{% endfor %}",
}


def environment():
    """As Transformers renders."""
    made = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[jinja2.ext.loopcontrols])

    def raise_exception(message):
        raise jinja2.exceptions.TemplateError(message)

    made.globals["raise_exception"] = raise_exception
    made.globals["strftime_now"] = datetime.datetime.now().strftime
    made.filters["tojson"] = lambda value, **_: json.dumps(value, ensure_ascii=False)
    return made


def conversations(seed):
    """Half with a system message; every seventh has two user messages in a row, which some templates refuse."""
    rng = random.Random(seed)
    made = []
    for place in range(CONVERSATIONS):
        talk = [{"role": "system", "content": rng.choice(PARTS)}] if place % 2 else []
        for _ in range(rng.randrange(4)):
            for role in ("user", "assistant"):
                talk.append({"role": role, "content": rng.choice(PARTS) + rng.choice(["", rng.choice(PARTS)])})
        talk.append({"role": "user", "content": rng.choice(PARTS)})
        if place % 7 == 6:
            talk.insert(1, {"role": "user", "content": "twice"})
        made.append(talk)
    made.append([{"role": "assistant", "content": "Hello"}, {"role": "user", "content": rng.choice(PARTS)}])
    made.append([{"role": "system", "content": ""}, {"role": "user", "content": ""}])
    made[3][1:1] = [{"role": "user", "content": "a"}, {"role": "assistant", "content": NEVER}]
    return made


def jinja(template, talk):
    """Text, or None where the template refuses. Some take a system message in parts only."""
    parts = [{**each, "content": [{"type": "text", "text": each["content"]}]} if each["role"] == "system" else each for each in talk]
    for messages in (talk, parts):
        try:
            return template.render(messages=messages, add_generation_prompt=True, bos_token="<s>", eos_token="</s>")
        except jinja2.exceptions.UndefinedError:
            continue
        except jinja2.exceptions.TemplateError:
            return None
    return None


def compare(name, template, family=None, flags=()):
    """Whether it was recognised."""
    talks = conversations(name)
    write("talks.json", json.dumps(talks))
    model = Model()
    if not flags:
        model.set("tokenizer.chat_template", "str", template)
    write("m.gguf", model.gguf())
    done = ran(quern, "chat", "-m", "m.gguf", "--render", "talks.json", "--quiet", *flags)
    if done.returncode != 0:
        expect(done.returncode == 3 and "its chat template is of no family that is known" in done.stderr, f"{name}: {done.returncode} {done.stderr}")
        expect(family is None, f"{name} is not recognised")
        return False
    marked = re.sub(r"{%(-?) *(?:end)?generation *(-?)%}", r"{%\1 if true \2%}{% endif %}", template)  # which mean nothing
    got, expected = json.loads(done.stdout), environment().from_string(marked)
    expect(len(got) == len(talks), f"{name}: {len(got)} of {len(talks)}")
    for place, (talk, answer) in enumerate(zip(talks, got)):
        wanted = jinja(expected, talk)
        expect(answer.get("text") == wanted, f"{name}, conversation {place}: {talk}\n  got  {answer!r}\n  want {wanted!r}")
    return True


with tempfile.TemporaryDirectory() as work:
    os.chdir(work)
    write("m.gguf", Model().gguf())
    names = expect.run(quern, "chat", "--chat-template", "?", "--print-template", status=2).stderr.split("known: ")[1].split()
    expect(len(names) >= 18, names)
    for each in names:
        own = expect.run(quern, "chat", "--chat-template", each, "--print-template").stdout[:-1]
        expect(compare(each, own, each, ["--chat-template", each]), f"{each} by its name")
        expect(compare(each, own, each), f"{each} by its text")
    for each, (wanted, text) in SHAPES.items():
        compare(each, text, wanted)
    for each, text in UNKNOWN.items():
        expect(not compare(each, text), f"{each} is recognised")
    theirs = known = 0
    for folder in filter(None, folders):
        for path in sorted(glob.glob(os.path.join(folder, "*.jinja"))):
            with open(path, encoding="utf-8") as file:
                known += compare(os.path.basename(path), file.read())
            theirs += 1
    print(f"{len(names)} families, {len(SHAPES)} shapes, {known} of {theirs} templates of others recognised" if theirs else "skipped: templates of others: no folder has any (QUERN_CHAT_TEMPLATES)")

expect.finish(600)
