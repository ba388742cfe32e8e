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
         "<think>\n\n</think>", "\t tab\r\n", "I am an assistant   ", "<<SYS>>\n", "<|start_header_id|>", "e\u0301", "\n"]
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
UNKNOWN = {
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
    made[3][1:1] = [{"role": "user", "content": "a"}, {"role": "assistant", "content": NEVER}]
    return made


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
    got, expected = json.loads(done.stdout), environment().from_string(template)
    expect(len(got) == len(talks), f"{name}: {len(got)} of {len(talks)}")
    for place, (talk, answer) in enumerate(zip(talks, got)):
        try:
            wanted = expected.render(messages=talk, add_generation_prompt=True, bos_token="<s>", eos_token="</s>")
        except jinja2.exceptions.TemplateError:
            wanted = None
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
