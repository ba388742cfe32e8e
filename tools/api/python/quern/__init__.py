"""Kernels tuned for this CPU, on NumPy arrays, and transformers that run on them.

    import numpy as np, quern
    y = quern.op("softmax axis=-1")(np.random.rand(4, 16).astype(np.float32))
    for piece in quern.Model("model.gguf").generate("Once upon a time", n=50):
        print(piece, end="", flush=True)

Arrays are float32, unless an op's text says otherwise, and are read where they lie. `quern ops` in a terminal, or quern.ops(), explains
every op. What does not fit is a ValueError that names the argument; what the machine refuses is a quern.Error.
"""
import codecs as _codecs
import operator as _operator
import os as _os
import random as _random

from . import _core
from ._core import PackedWeight
from ._program import explain, measure, ops, space, tune

__version__ = _core.__version__
__all__ = ["Error", "Kernels", "Model", "Op", "PackedWeight", "Session", "explain", "kernels", "measure", "op", "ops", "space", "tune"]


class Error(RuntimeError):
    """The machine refused or lacks something, or a bug of ours. `status` is the exit status that the program would have."""

    def __init__(self, message, status=70):
        super().__init__(message)
        self.status = status


Kernels = _core.Kernels
Op = _core.Op
_usual = None


def kernels():
    """Where kernels come from where nothing else is said: the user's cache, and the compiler behind it, for this CPU. What was tuned before it
    was made, or by quern.tune, counts; ops that were called before go on as they are."""
    global _usual
    if _usual is None:
        _usual = Kernels()
    return _usual


def op(text, schedule=None, threads=None, kernels=None):
    """An op to call with arrays: ``quern.op("matmul ep=bias+gelu_tanh")(a, b, bias, out=None, threads=None)``.

    text      as `quern ops` explains it. Sizes may be left out: they come from the arrays of each call.
    schedule  None: pinned, else tuned on this CPU, else the default; "default"; "tuned"; or a schedule's text.
    threads   None: as many as this process has CPUs, where the work is worth it.
    kernels   a quern.Kernels; None: quern.kernels().

    Calling it takes the op's inputs in order, as NumPy arrays, objects with __dlpack__, or numbers. It returns a new array, or `out`.
    Errors: ValueError naming the argument, its dtype or shape, and what would be right.
    """
    return Op(_given(kernels), text, schedule or "", threads or 0)


def _given(given):
    return kernels() if given is None else given


class Session:
    """One sequence of a model: its KV cache and its position. One call at a time; any number of sessions at once."""

    def __init__(self, model, threads=None):
        self.model = model
        self._handle = _core.SessionHandle(model._handle, threads or model._threads)

    @property
    def position(self):
        """How many positions are filled."""
        return self._handle.position()

    def feed(self, ids, outputs=None):
        """Runs ids at the next positions. Returns the logits of the last `outputs` of them (None: of the last), float32 [outputs, vocab]."""
        return self._handle.feed(_whole(ids), outputs)

    def rewind(self, position):
        """Forgets what is at `position` and behind."""
        self._handle.rewind(position)

    def generate(self, prompt, **options):
        """As Model.generate, in this session, which begins anew with the prompt."""
        return _generate(self.model, self._handle, prompt, **options)


def _whole(ids):
    """Token ids as Python's whole numbers."""
    if isinstance(ids, (str, bytes)):
        raise ValueError(f"ids: {type(ids).__name__} is no sequence of token ids; Model.tokenize makes them of a text")
    try:
        return [_operator.index(each) for each in ids]
    except TypeError as error:
        raise ValueError(f"ids: {error}; whole numbers are needed") from None


def _generate(model, session, prompt, n=None, temperature=0.8, top_k=40, top_p=0.95, min_p=0.05, repeat_penalty=1.0, repeat_last=64, seed=None,
              special=False, ids=False):
    text = isinstance(prompt, str)
    given = model.tokenize(prompt, special=special) if text else _whole(prompt)
    if text and not given and model.info["begin"] >= 0:
        given = [model.info["begin"]]
    if not given:
        raise ValueError("prompt: it has no tokens, and the model begins no text by itself")
    if n is not None and n < 1:
        raise ValueError(f"n: {n}; None, or a number of tokens above 0, can be")
    seed = _random.getrandbits(31) if seed is None else seed
    handle = _core.GenerationHandle(session, given, -1 if n is None else n, temperature, top_k, top_p, min_p, repeat_penalty, repeat_last, seed)
    return _pieces(handle, ids or not model.info["has_text"])


def _pieces(handle, ids):
    decoder = _codecs.getincrementaldecoder("utf-8")("replace")
    try:
        while True:
            try:
                token, text = handle.next()
            except StopIteration:
                return
            if ids:
                if token >= 0:
                    yield token
            elif text:
                yield decoder.decode(text)
    finally:
        handle.close()


def _adapters(lora):
    """FILE:SCALE of each."""
    if isinstance(lora, (str, _os.PathLike)):
        lora = (lora,)
    named = [each if isinstance(each, tuple) else (each, 1) for each in lora]
    return ["%s:%r" % (_os.fspath(path), float(scale)) for path, scale in named]


class Model:
    """A model that runs here: a .gguf file, or a folder with config.json and *.safetensors; None: the one in the bundle of `kernels`.

    threads   of loading, and of sessions where they do not say otherwise. None: as many as this process has CPUs.
    context   positions of a session; None: the model's own.
    compute   "exact", "fast", "tile"; None: "fast" where the weights are stored below float32 and this CPU gains by it.
    kv        what sessions keep of keys and values: "f32", "f16", "bf16", "q8".
    lora      adapters on top of the model, one or several: PEFT's folder or a GGUF file, or (file, scale).
    """

    def __init__(self, path, threads=None, context=None, compute=None, order=None, kv=None, kernels=None, lora=()):
        self._threads = threads or 0
        name = None if path is None else _os.fspath(path)
        self._handle = _core.ModelHandle(_given(kernels), name, compute, order, kv, context or 0, self._threads, _adapters(lora))
        self.info = self._handle.info()
        self._idle = []

    def session(self, threads=None):
        """A new session."""
        return Session(self, threads)

    def tokenize(self, text, begin=True, special=False):
        """The ids of a text. begin: with the begin-of-text that the model asks for. special: control tokens spelled in it are read as such."""
        return self._handle.tokenize(text, begin, special)

    def chat_ids(self, messages, template=None):
        """The ids of a conversation up to where the model answers; generate() takes them as its prompt.

        messages  {"role": ..., "content": ...} of each, or (role, content): system (first, or none), user and assistant in turn, the last a user's.
        template  None: the model's own; else a family's, by the names of `quern chat --chat-template`.
        """
        said = [(one["role"], one["content"]) if isinstance(one, dict) else tuple(one) for one in messages]
        for role, content in said:
            if "\0" in role or "\0" in content:
                raise ValueError("messages: a text with a character 0, which none can have here")
        return self._handle.chat_ids(said, template)

    def detokenize(self, ids):
        """The text of ids, control tokens left out."""
        return self._handle.detokenize(_whole(ids)).decode("utf-8", "replace")

    def logits(self, ids):
        """Logits of every id of a sequence: float32 [len(ids), vocab]."""
        given = _whole(ids)
        session = self._take()
        try:
            return session.feed(given, len(given))
        finally:
            self._idle.append(session)

    def generate(self, prompt, n=None, temperature=0.8, top_k=40, top_p=0.95, min_p=0.05, repeat_penalty=1.0, repeat_last=64, seed=None,
                 special=False, ids=False):
        """How a text goes on: an iterator of str, of whole characters (ids=True: of token ids).

        prompt       a text, or token ids. n: new tokens at most; None: until the text ends or the context is full.
        temperature  0 takes the likeliest. seed: of the random numbers; None: a random one.
        special      control tokens spelled in the prompt are read as themselves.
        """
        session = self._take()
        pieces = _generate(self, session, prompt, n, temperature, top_k, top_p, min_p, repeat_penalty, repeat_last, seed, special, ids)
        return _returning(pieces, session, self._idle)

    def _take(self):
        """A session's core: not a Session, which would keep this model alive from within."""
        try:
            session = self._idle.pop()
        except IndexError:
            return _core.SessionHandle(self._handle, self._threads)
        session.rewind(0)
        return session


def _returning(pieces, session, idle):
    try:
        yield from pieces
    finally:
        pieces.close()
        idle.append(session)
