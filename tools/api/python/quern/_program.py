"""What the program does rather than the library, because it measures: tuning, timing, explaining. It runs in a process of its own."""
import json as _json
import os as _os
import shutil as _shutil
import subprocess as _subprocess
import tempfile as _tempfile


def program():
    """The program `quern` that belongs to this package: $QUERN_PROGRAM, beside it in a build tree or an installation, or on the PATH."""
    named = _os.environ.get("QUERN_PROGRAM")
    if named:
        return named
    folder = _os.path.dirname(_os.path.realpath(__file__))
    while folder != "/":
        for place in ("bin/quern", "quern"):
            path = _os.path.join(folder, place)
            if _os.path.isfile(path) and _os.access(path, _os.X_OK):
                return path
        folder = _os.path.dirname(folder)
    found = _shutil.which("quern")
    if found is None:
        raise FileNotFoundError("the program quern: it is neither beside this package nor on the PATH; QUERN_PROGRAM names it")
    return found


def _run(*words, keep=()):
    """Runs the program; returns its stdout. Errors: ValueError for a wrong command or input, quern.Error for the rest."""
    ended = _subprocess.run([program(), *words], stdout=_subprocess.PIPE, stderr=_subprocess.PIPE, text=True)
    if ended.returncode in (0, *keep):
        return ended.stdout
    lines = [line for line in ended.stderr.strip().split("\n") if line]
    message = (lines[-1] if lines else "the program ended").removeprefix("quern: ")
    if ended.returncode in (2, 3):
        raise ValueError(message)
    from . import Error
    raise Error(message, ended.returncode)


def _op(text):
    """An op's text as a word that is no flag."""
    if not isinstance(text, str) or text.lstrip().startswith("-") or not text.strip():
        raise ValueError(f"op: {text!r} is no op's text, such as \"softmax x=32x512\"")
    return text


def _common(cpu, cache, threads=None):
    words = []
    for name, value in (("cpu", cpu), ("cache", cache), ("threads", threads)):
        if value is not None:
            words += [f"--{name}", str(value)]
    return words


def ops():
    """Every op with its keys and inputs, as `quern ops` prints them."""
    return _run("ops")


def space(op, cpu=None):
    """The schedules that a tuner tries for an op: a list of texts, the default first."""
    rows = _json.loads(_run("show", _op(op), "--stage", "space", "--json", "-", *_common(cpu, None)))
    return [row["schedule"] for row in rows["schedules"]]


def explain(op, cpu=None, cache=None):
    """Why an op runs with its schedule: what `quern explain --json` says, as a dict."""
    return _json.loads(_run("explain", _op(op), "--json", "-", *_common(cpu, cache)))


def tune(op, budget="60s", candidates=None, effort=None, threads=None, cpu=None, cache=None):
    """Tunes an op into the cache. candidates: schedule texts to choose among, in place of the space. Returns what explain() then says."""
    words = ["tune", _op(op), "--budget", str(budget), "--quiet", *_common(cpu, cache, threads)]
    if effort is not None:
        words += ["--effort", effort]
    with _tempfile.TemporaryDirectory() as folder:
        if candidates is not None:
            path = _os.path.join(folder, "candidates")
            with open(path, "w", encoding="utf-8") as file:
                file.write("".join(f"{each}\n" for each in candidates))
            words += ["--candidates", path, "--again"]
        _run(*words)
    import quern
    quern._usual = None  # what reads the records anew
    return explain(op, cpu, cache)


def measure(op, schedules, threads=None, cpu=None, cache=None):
    """Times schedules of an op against the first of them, call by call in turn. Returns a dict for each:

    schedule  its text; ratio, low, high: its speed over that of the first, the median of pairs and its interval (above 1: faster);
    ns        of one call. What cannot run has an error in their place.
    """
    from . import Error
    if not schedules:
        raise ValueError("schedules: there are none; the first is what the others are held against")
    anchor, rows = schedules[0], []
    for each in schedules:
        try:
            pair = _json.loads(_run("bench", _op(op), "--schedule", anchor, "--schedule", each, "--json", "-", "--quiet", *_common(cpu, cache, threads)))
        except (ValueError, Error) as error:
            rows.append({"schedule": each, "error": str(error)})
            continue
        time = pair["ratio"]  # the second's over the first's
        rows.append({"schedule": pair["second"]["schedule"], "ratio": 1 / time["median"], "low": 1 / time["high"], "high": 1 / time["low"],
                     "ns": pair["second"]["ns"]["median"]})
    return rows
