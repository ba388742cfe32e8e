#!/usr/bin/env python3
"""tests/model/chat_run.py QUERN SLOW_TERMINAL — `quern chat` as a user runs it: through pipes and in a pseudo-terminal, on small random
models."""
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import tempfile
import termios
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from checking import Checks, ran, write
from models import Model, hf_folder, vocabulary

quern, slow = (os.path.abspath(name) for name in sys.argv[1:3])
expect = Checks(stops=True)
IM_START, IM_END = 300, 301
CHATML = ("{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}{% endfor %}"
          "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}")
READ = re.compile(r"\[(\d+) of (\d+) tokens read(?:, (\d+) made)?[^\]]*\]")
GREEDY = ["--temp", "0", "--cache", "cache"]


def chat_model(context=400, template=CHATML, seed=1):
    """A Llama whose tokens 300 and 301 are the marks of ChatML."""
    model = Model(width=32, hidden=48, layers=2, heads=4, kv_heads=2, vocab=700, context=context, seed=seed)
    tokens, kinds = vocabulary(700)
    tokens[IM_START], tokens[IM_END] = "<|im_start|>", "<|im_end|>"
    kinds[IM_START] = kinds[IM_END] = 3
    model.set("tokenizer.ggml.tokens", "arr", ("str", tokens)).set("tokenizer.ggml.token_type", "arr", ("i32", kinds))
    return model if template is None else model.set("tokenizer.chat_template", "str", template)


def chat(lines, *flags, model="m.gguf", status=0, more=()):
    done = ran(quern, "chat", "-m", model, *GREEDY, *flags, *more, give="".join(one + "\n" for one in lines))
    expect(done.returncode == status, (done.returncode, done.stdout, done.stderr))
    return done


def reads(done):
    """(read, of, made) of each answer."""
    return [tuple(int(one or 0) for one in match) for match in READ.findall(done.stderr)]


def rendered(messages, *flags, model="m.gguf"):
    write("talk.json", json.dumps([messages]))
    return json.loads(expect.run(quern, "chat", "-m", model, "--render", "talk.json", *flags, "--quiet").stdout)[0]


def generated(ids, count, model="m.gguf"):
    made = ran(quern, "generate", "-m", model, "--ids", ",".join(map(str, ids)), "-n", str(count), "--print-ids", "--quiet", *GREEDY)
    return [int(one) for one in made.stdout.split(",")]


def answers():
    """An answer is what `generate` makes of the rendered ids; begin-of-text once; what a person spells is text."""
    said = [{"role": "system", "content": "be brief"}, {"role": "user", "content": "a <|im_end|> word"}]
    one = rendered(said)
    expect(one["text"] == "<|im_start|>system\nbe brief<|im_end|>\n<|im_start|>user\na <|im_end|> word<|im_end|>\n<|im_start|>assistant\n", one)
    expect(one["ids"][0] == 1 and one["ids"].count(1) == 1 and one["ids"].count(IM_END) == 2 and one["ids"].count(IM_START) == 3, one)
    wanted = ran(quern, "generate", "-m", "m.gguf", "--ids", ",".join(map(str, one["ids"])), "-n", "20", "--quiet", *GREEDY)
    got = chat([], "--system", "be brief", "-p", "a <|im_end|> word", "-n", "20", "--quiet")
    expect(got.stdout.strip() == wanted.stdout.strip() and len(got.stdout) > 20, (got.stdout, wanted.stdout))
    for flags in (["-t", "2"], ["-t", "1"]):
        expect(chat([], "--system", "be brief", "-p", "a <|im_end|> word", "-n", "20", "--quiet", *flags).stdout == got.stdout, flags)
    piped = chat(["a <|im_end|> word"], "--system", "be brief", "-n", "20", "--quiet")
    expect(piped.stdout == got.stdout and piped.stderr == "", (piped.stdout, piped.stderr))
    # The first blank is the tokenizer's, the template is from the file, and it can be another.
    other = chat(["a word"], "--chat-template", "zephyr", "-n", "20", "--quiet")
    expect(other.stdout != chat(["a word"], "-n", "20", "--quiet").stdout, "another template")


def reuse():
    """Only what is new is read: all but the last id of an answer, which nobody asked the model about, is kept."""
    done = chat(["a word", "more", "and more"], "-n", "12")
    counts = reads(done)
    expect(len(counts) == 3 and counts[0][0] == counts[0][1] and all(made == 12 for _, _, made in counts), counts)
    for (_, before, made), (read, of, _) in zip(counts, counts[1:]):
        expect(of - read == before + made - 1, counts)
    # The same as all at once: an answer's own ids, then the rest of the template's text.
    ids, lines = rendered([{"role": "user", "content": "a word"}])["ids"], done.stdout.split("\n")
    for place, said in enumerate(["more", "and more", None]):
        made = generated(ids, 12)
        answer = ran(quern, "generate", "-m", "m.gguf", "--ids", ",".join(map(str, ids)), "-n", "12", "--quiet", *GREEDY)
        expect(answer.stdout.strip() == lines[place].strip(), (answer.stdout, lines[place]))
        if said is not None:
            rest = f"<|im_end|>\n<|im_start|>user\n{said}<|im_end|>\n<|im_start|>assistant\n"
            echoed = ran(quern, "generate", "-m", "m.gguf", "-p", rest, "--special", "-n", "0", "--echo", "--print-ids", "--quiet", *GREEDY).stdout
            ids = ids + made + [int(one) for one in echoed.split(",")][1:]
    expect(len(ids) == counts[2][1], (len(ids), counts))
    # What a template takes out of earlier turns is read anew, from there on.
    thinking = chat_model(template=subprocess.run([quern, "chat", "--chat-template", "qwen3", "--print-template"], capture_output=True, check=True, text=True).stdout[:-1])
    write("qwen3.gguf", thinking.gguf())
    again = reads(chat(["a </think> b", "more"], "-n", "5", model="qwen3.gguf"))
    expect(again[1][0] < again[1][1], again)


def commands():
    done = chat(["/help", "a word", "/clear", "a word", "/system be brief", "a word", "/system", "a word", "//not a command", "  ", "/quit", "never"], "-n", "6")
    counts = reads(done)
    expect(len(counts) == 5 and done.stdout.startswith("/help "), done.stdout)
    expect(counts[0][1] == counts[1][1] and counts[2][1] > counts[1][1], counts)
    expect(counts[1][0] == 1, counts)  # the whole prompt is kept, but for the id whose logits are asked for
    for line, message in (("/bogus", "/bogus is no command; /help lists them, //... says /..."), ("/sav x", "/sav is no command, did you mean '/save'?; /help lists them, //... says /..."), ("/save", "/save needs a file")):
        expect(chat([line], "--quiet", status=2).stderr == f"quern: chat: {message}\n", line)
    joined = chat(["two\\", "lines"], "-n", "6")
    expect(reads(joined)[0][1] == len(rendered([{"role": "user", "content": "two\nlines"}])["ids"]), joined.stderr)
    expect(chat(["ends\\"], "-n", "2").returncode == 0, "a backslash at the end")
    expect(chat([]).stdout == "", "nothing said")


def saved():
    """A saved conversation goes on in another process as it would have here, without reading it again."""
    whole = chat(["a word", "more", "and more"], "-n", "12")
    chat(["a word", "more", "/save talk.qs"], "-n", "12")
    expect(sorted(os.listdir(".")).count("talk.qs") == 1 and not [one for one in os.listdir(".") if ".tmp" in one], os.listdir("."))
    later = chat(["/load talk.qs", "and more"], "-n", "12")
    expect(later.stdout == whole.stdout.split("\n")[2] + "\n", (later.stdout, whole.stdout))
    expect(reads(later)[0] == reads(whole)[2], (later.stderr, whole.stderr))
    with_system = chat(["a word", "/save talk.qs", "/system other", "/load talk.qs", "more"], "--system", "be brief", "-n", "8")
    direct = chat(["a word", "more"], "--system", "be brief", "-n", "8")
    expect(with_system.stdout == direct.stdout, "the system message is saved too")
    write("other.gguf", chat_model(seed=2).gguf())
    for flags, why in ((dict(model="other.gguf"), "is a session of the same model with other weights: "), (dict(more=["--kv", "f16"]), "is a session computed otherwise: kv=f32 ")):
        expect(why in chat(["/load talk.qs"], status=3, **flags).stderr, why)
    expect(chat(["/load absent.qs"], "--quiet", status=3).stderr == "quern: absent.qs: No such file or directory\n", "absent")
    write("damaged.qs", b"quern-session 1\nmodel x\n")
    expect("damaged.qs: is a session of another model" in chat(["/load damaged.qs"], status=3).stderr, "damaged")
    expect(chat(["/save absent/talk.qs"], "--quiet", status=4).stderr.startswith("quern: absent/talk.qs: "), "no such folder")


def full():
    """A full context is said; with --drop-oldest what was said first goes."""
    write("small.gguf", chat_model(context=120).gguf())
    done = chat(["a word"], model="small.gguf")
    expect("the context of 120 is full, the answer ends here: /clear begins anew" in done.stderr, done.stderr)
    long = chat(["word " * 100], "--quiet", model="small.gguf", status=3)
    expect(re.fullmatch(r"quern: the conversation has \d+ tokens and the context 120 positions, which leaves none for an answer\n", long.stderr), long.stderr)
    talk = ["a word"] * 6
    refused = chat(talk, "-n", "5", model="small.gguf", status=3)
    expect(refused.stderr.count("leaves none for an answer: /clear begins anew") >= 1 and len(reads(refused)) >= 2, refused.stderr)
    dropped = chat(talk, "-n", "5", "--drop-oldest", model="small.gguf")
    expect(len(reads(dropped)) == 6 and "the context of 120 was full: the oldest 2 messages went" in dropped.stderr, dropped.stderr)
    kept = chat(talk, "-n", "5", "--drop-oldest", "--system", "be brief", model="small.gguf")
    expect(len(reads(kept)) == 6, kept.stderr)
    # It is the conversation without its first messages that goes on.
    last = dropped.stdout.split("\n")[-2]
    expect(all(of < 120 for _, of, _ in reads(dropped)) and last, dropped.stdout)


def ends():
    """End of turn ends an answer and is not shown; a stop string ends it; what is not known is said and not guessed."""
    drawn = [ran(quern, "chat", "-m", "m.gguf", "-p", "a word", "--temp", "9", "--top-k", "0", "--top-p", "1", "--min-p", "0", "-s", str(seed), "--cache", "cache") for seed in range(8)]
    lengths = [reads(one)[0][2] for one in drawn]
    expect(min(lengths) < 300 and all("im_end" not in one.stdout and "</s>" not in one.stdout for one in drawn), lengths)
    whole = chat(["a word"], "-n", "30", "--quiet").stdout
    stop = whole[8:11]
    short = chat(["a word"], "-n", "30", "--quiet", "--stop", stop, "--stop", "never said").stdout
    expect(short == whole[:whole.index(stop)] + "\n", (short, whole, stop))
    write("plain.gguf", chat_model(template=None).gguf())
    none = chat(["a word"], "--quiet", model="plain.gguf", status=3).stderr
    expect(none.startswith("quern: plain.gguf: has no chat template: --chat-template NAME says how its conversations are written: chatml "), none)
    write("odd.gguf", chat_model(template=CHATML.replace("\\n", " ")).gguf())
    odd = chat(["a word"], "--quiet", model="odd.gguf", status=3).stderr
    expect(odd.startswith("quern: odd.gguf: its chat template is of no family that is known; --chat-template NAME takes another: chatml "), odd)
    expect(chat(["a word"], "--quiet", "--chat-template", "chatml", "-n", "30", model="odd.gguf").stdout == whole, "a template by its name")
    for flags, status, message in ((["word"], 2, "chat: 'word' goes behind --prompt"), (["--chat-template", "chatmi"], 2, "--chat-template 'chatmi' is not known, did you mean 'chatml'?"), (["--stop", ""], 2, "chat: --stop is empty"),
                                   (["--system", "x", "--chat-template", "gemma"], 3, "the chat template (gemma) has no place for a system message"), (["--print-template"], 2, "chat: --print-template prints that of --chat-template NAME")):
        expect(chat([], *flags, status=status).stderr.startswith(f"quern: {message}"), (flags, message))
    for content, why in (("{}", "talk.json: is an object, a list of conversations is needed"), ("[1]", "talk.json: conversation 1 is an integer, a list of messages is needed"), ("[[{\"role\": 1}]]", "talk.json: conversation 1, message 1: \"role\" and \"content\" are needed, as texts"), ("[", "talk.json: ")):
        write("talk.json", content)
        expect(why in ran(quern, "chat", "-m", "m.gguf", "--render", "talk.json").stderr, (content, why, ran(quern, "chat", "-m", "m.gguf", "--render", "talk.json").stderr))


def folders():
    """A folder's template stands in chat_template.jinja, or in tokenizer_config.json, alone or named."""
    tokens = vocabulary(700)[0]
    added = [{"id": i, "content": tokens[i], "special": True} for i in (1, 2)]
    letters = {one: i for i, one in enumerate(tokens) if len(one) == 1 or one.startswith("<")}
    hf_folder("folder", chat_model(template=None))
    blanks = {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"}
    write("folder/tokenizer.json", json.dumps({"added_tokens": added, "normalizer": blanks, "model": {"type": "BPE", "byte_fallback": True, "vocab": letters, "merges": []}, "decoder": None}))
    talk = [{"role": "user", "content": "hi"}]
    write("talk.json", json.dumps([talk]))

    def said(flags=(), status=0):
        done = ran(quern, "chat", "-m", "folder", "--render", "talk.json", *flags)
        expect(done.returncode == status, (done.returncode, done.stderr))
        return json.loads(done.stdout)[0]["text"] if status == 0 else done.stderr

    expect("folder: has no chat template" in said(status=3), "none")
    write("folder/tokenizer_config.json", json.dumps({"chat_template": CHATML}))
    expect(said() == "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n", "tokenizer_config.json")
    write("folder/tokenizer_config.json", json.dumps({"chat_template": [{"name": "tool_use", "template": "{{ 1 }}"}, {"name": "default", "template": CHATML}]}))
    expect(said() == "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n", "a list")
    write("folder/chat_template.jinja", CHATML.replace("<|im_start|>", "<|im_begin|>"))
    expect("folder/chat_template.jinja: its chat template is of no family" in said(status=3), "chat_template.jinja comes first")


def endless(model):
    """Its likeliest token is never one that ends a text: those have 0, and of 700 some have more."""
    dims, kind, data = model.tensors["output.weight"]
    row = 4 * dims[0]
    for token in (2, IM_END):
        data = data[:token * row] + bytes(row) + data[(token + 1) * row:]
    model.tensors["output.weight"] = (dims, kind, data)
    return model


class Terminal:
    """A program in a pseudo-terminal."""

    def __init__(self, *words, **environment):
        self.pid, self.file = pty.fork()
        if self.pid == 0:
            os.execve(words[0], list(words), {**os.environ, "TERM": "xterm", **environment})
        self.seen = b""

    def read(self, end, wanted):
        """What comes next is in `seen`; False at the end of the output."""
        while not select.select([self.file], [], [], 1)[0]:
            assert time.monotonic() < end, (wanted, self.seen)
        try:
            some = os.read(self.file, 65536)
        except OSError:
            return False
        self.seen += some
        return bool(some)

    def until(self, wanted, seconds=60):
        """What came up to and with `wanted`."""
        wanted, end = wanted.encode(), time.monotonic() + seconds
        while wanted not in self.seen:
            assert self.read(end, wanted), (wanted, self.seen)
        at = self.seen.index(wanted) + len(wanted)
        out, self.seen = self.seen[:at], self.seen[at:]
        return out.decode(errors="replace")

    def more(self, count, seconds=60):
        """Waits for so many bytes."""
        end = time.monotonic() + seconds
        while len(self.seen) < count:
            assert self.read(end, count), (count, self.seen)

    def type(self, text):
        os.write(self.file, text.encode())

    def ended(self, seconds=60):
        """Status, once it ends."""
        end = time.monotonic() + seconds
        while self.read(end, "the end"):
            pass
        status = os.waitpid(self.pid, 0)[1]
        os.close(self.file)
        return status


def terminal():
    """Lines are edited and remembered; Ctrl-C ends an answer and not the conversation, at the prompt the program; Ctrl-D ends it with 0."""
    write("long.gguf", endless(chat_model(context=60000)).gguf())
    there = Terminal(quern, "chat", "-m", "long.gguf", *GREEDY)
    before = termios.tcgetattr(there.file)[3] & (termios.ICANON | termios.ECHO)
    there.until("> ")
    there.type("a worx\x7fd\r")  # a key that takes back
    shown = there.until("\r\n")
    there.more(20)  # the answer has begun
    there.type("\x03")
    rest = there.until("interrupted]")
    match = READ.search(rest)
    expect(match and 0 < int(match.group(3)) < 59000, (shown, rest[-200:]))
    expect(int(match.group(2)) == len(rendered([{"role": "user", "content": "a word"}])["ids"]), (match.group(0), "what was typed"))
    # The answer so far was said: it is kept and not read again.
    there.until("> ")
    made = int(match.group(3))
    there.type("/save talk.qs\r")
    there.until("\r\n")
    there.until("> ")
    there.type("\x1b[A\x1b[A\r")  # two lines back
    there.until("\r\n")
    there.more(20)
    there.type("\x03")
    again = READ.search(there.until("interrupted]"))
    expect(int(again.group(2)) - int(again.group(1)) == int(match.group(2)) + made - 1, (match.group(0), again.group(0)))
    there.until("> ")
    there.type("/load talk.qs\r")
    there.until("\r\n")
    there.until("> ")
    there.type("/bogus\r")
    there.until("quern: chat: /bogus is no command")
    there.until("> ")
    there.type("\x04")
    expect(there.ended() == 0, "Ctrl-D")
    there = Terminal(quern, "chat", "-m", "m.gguf", *GREEDY, "-n", "5", "-p", "a word")
    there.until("> a word")
    there.until("5 made")
    there.until("> ")
    there.type("half a li\x03")
    there.until("quern: interrupted")
    after = termios.tcgetattr(there.file)[3] & (termios.ICANON | termios.ECHO)
    expect(os.waitstatus_to_exitcode(there.ended()) == 130 and after == before, (before, after))
    # Keys that come as soon as the prompt is seen are keys already: Ctrl-D would be a character of a line otherwise.
    for key, status in (("\x04", 0), ("half a li\x03", 130)):
        there = Terminal(quern, "chat", "-m", "m.gguf", *GREEDY, LD_PRELOAD=slow)
        there.until("> ")
        there.type(key)
        expect(os.waitstatus_to_exitcode(there.ended()) == status, key)
    # A signal from elsewhere, while lines come through a pipe: the next one is answered.
    command = [quern, "chat", "-m", "long.gguf", *GREEDY, "-n", "20000"]
    running = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    running.stdin.write(b"a word\n/clear\n\nmore\n")
    running.stdin.flush()
    running.stdout.read(200)
    running.send_signal(signal.SIGINT)
    _, said = running.communicate(timeout=120)
    expect(running.returncode == 0 and said.count(b"interrupted]") == 1 and said.count(b"tokens read") == 2, (running.returncode, said))


with tempfile.TemporaryDirectory() as work:
    os.chdir(work)
    write("m.gguf", chat_model().gguf())
    for part in (answers, reuse, commands, saved, full, ends, folders, terminal):
        part()

expect.finish(62)
