"""tests/machine/Sandbox.py — ways in which a system refuses a program something, as functions for subprocess's preexec_fn."""
import ctypes
import errno
import resource
import signal
import struct

libc = ctypes.CDLL(None, use_errno=True)
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, PR_SET_MDWE = 38, 22, 65
CALLS = {"mmap": 9, "mprotect": 10, "clone": 56, "fork": 57, "vfork": 58, "arch_prctl": 158, "memfd_create": 319, "clone3": 435}


def no_code_from_data():
    """What systemd's MemoryDenyWriteExecute= does, as one call of Linux 6.3."""
    if libc.prctl(PR_SET_MDWE, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "PR_SET_MDWE")


def deny(*rules):
    """A seccomp filter. A rule: (system call, errno) or (system call, errno, argument number, mask, value): refused where the argument's
    bits under the mask are the value; several triples may follow each other."""
    code = []

    def op(word, jt, jf, k):
        code.append((word, jt, jf, k))

    for name, error, *conditions in rules:
        tests = [(0, None, CALLS[name])] + [(16 + 8 * conditions[i], conditions[i + 1], conditions[i + 2]) for i in range(0, len(conditions), 3)]
        length = sum(2 if mask is None else 3 for _, mask, _ in tests) + 1
        at = 0
        for offset, mask, value in tests:
            op(0x20, 0, 0, offset)  # load
            if mask is not None:
                op(0x54, 0, 0, mask)  # and
            at += 2 if mask is None else 3
            op(0x15, 0, length - at, value)  # equal, or on to the next rule
        op(0x06, 0, 0, 0x00050000 | error)  # return that error
    op(0x06, 0, 0, 0x7fff0000)  # allow
    program = ctypes.create_string_buffer(b"".join(struct.pack("<HBBI", *each) for each in code))
    head = ctypes.create_string_buffer(struct.pack("<HxxxxxxQ", len(code), ctypes.addressof(program)))
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 or libc.prctl(PR_SET_SECCOMP, 2, head, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "PR_SET_SECCOMP")


def no_threads():
    deny(("clone", errno.EAGAIN), ("clone3", errno.ENOSYS), ("fork", errno.EAGAIN), ("vfork", errno.EAGAIN))


def no_code_from_memory():
    """As SELinux's execmem: no code from written memory; and no files in memory, as older kernels have none."""
    deny(("mprotect", errno.EACCES, 2, 4, 4), ("memfd_create", errno.EPERM))


def no_code_at_all():
    """Only the dynamic linker's own mappings, which carry MAP_DENYWRITE, may be executed."""
    deny(("mprotect", errno.EACCES, 2, 4, 4), ("mmap", errno.EACCES, 2, 4, 4, 3, 0x800, 0))


def no_amx():
    deny(("arch_prctl", errno.EPERM, 0, 0xffffffff, 0x1023))


def limits(**values):
    """limits(FSIZE=1024): soft and hard alike."""
    def apply():
        for name, value in values.items():
            resource.setrlimit(getattr(resource, "RLIMIT_" + name), (value, value))
    return apply


def children_ignored():
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
