"""tests/checking.py — what the scripts that run programs share: checks that are counted, a program run once, arrays in NumPy's files."""
import os
import struct
import subprocess
import sys

CODES = {"<f4": "f", "<f2": "e", "<i2": "h", "<i4": "i", "<i8": "q", "|i1": "b", "|u1": "B", "|V2": "H"}


class Checks:
    """Counts what is checked. `stops`: the first that is wrong ends the script; else all of them are told at the end."""

    def __init__(self, stops=False):
        self.stops, self.count, self.failed = stops, 0, []

    def __call__(self, good, what):
        self.count += 1
        if not good:
            self.wrong(what)

    def wrong(self, what):
        """More that is wrong of what was counted."""
        assert not self.stops, what
        self.failed.append(str(what))

    def run(self, *words, status=0, says="", **more):
        """`ran`, and checked: its status, and what stands in its remarks."""
        done = ran(*words, **more)
        call = " ".join(map(str, [os.path.basename(words[0]), *words[1:]]))
        self(done.returncode == status, f"{call}: status {done.returncode}, expected {status}\n{(done.stdout or '')[-400:]}\n{done.stderr[-400:]}")
        if says:
            self(says in done.stderr, f"{call}: does not say '{says}': {done.stderr[-400:]}")
        return done

    def finish(self, least, more=""):
        """Ends the script. Fewer checks than `least` are wrong as well."""
        print("\n".join(self.failed))
        print(f"{self.count} checks, {len(self.failed)} wrong{more}")
        sys.exit(1 if self.failed or self.count < least else 0)


def ran(*words, give=None, **more):
    """A program from its start to its end: what it wrote, as text, and its status. `give`: its input, else it has none."""
    given = {"stdin": subprocess.DEVNULL} if give is None else {"input": give}
    return subprocess.run(words, **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "timeout": 300, **given, **more})


def caching(folder):
    """The environment of a program whose cache is there."""
    return {**os.environ, "QUERN_CACHE_DIR": os.path.abspath(folder)}


def npy(values, shape=None, descr="<f4", order="False", version=1, magic=b"\x93NUMPY"):
    """A .npy file's bytes. `values`: numbers, or bytes as they are; `shape`: as Python writes it (default: of one axis)."""
    header = f"{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape or (len(values),)}, }}".encode()
    header += b" " * (63 - (10 + len(header)) % 64) + b"\n"
    data = values if isinstance(values, bytes) else struct.pack(f"<{len(values)}{CODES[descr]}", *values)
    return magic + bytes([version, 0]) + struct.pack("<H", len(header)) + header + data


def read_npy(path):
    """Header and floats of a .npy file."""
    with open(path, "rb") as file:
        data = file.read()
    begin = 10 + struct.unpack("<H", data[8:10])[0]
    return data[10:begin].decode(), list(struct.unpack(f"<{(len(data) - begin) // 4}f", data[begin:]))


def write(path, content):
    """Bytes, or text as UTF-8."""
    with open(path, "wb") as file:
        file.write(content.encode() if isinstance(content, str) else content)
