"""The parts of the sandbox that need no process: the filter, what travels between processes, equality."""

from __future__ import annotations

import errno
import math
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.sandbox import seccomp
from inference.sandbox.equality import type_aware_equal
from inference.sandbox.wire import BadFrame, Pipe, decode, encode

ALLOWED, DENIED, NONE, KILLED = 0x7FFF0000, 0x00050000 | errno.EPERM, 0x00050000 | errno.ENOSYS, 0x80000000

NUMBERS = {
    "x86_64": {
        "read": 0, "write": 1, "mmap": 9, "futex": 202, "execve": 59, "fork": 57, "vfork": 58, "kill": 62, "socket": 41,
        "ptrace": 101, "mount": 165, "bpf": 321, "io_uring_setup": 425, "memfd_create": 319, "unlink": 87, "mkdir": 83,
        "process_vm_readv": 310, "tgkill": 234, "ioctl": 16, "prctl": 157, "openat": 257, "clone": 56, "clone3": 435,
        "fcntl": 72, "prlimit64": 302, "open": 2, "pwrite64": 18, "unshare": 272, "execveat": 322, "socketpair": 53,
    },
    "aarch64": {
        "read": 63, "write": 64, "mmap": 222, "futex": 98, "execve": 221, "kill": 129, "socket": 198, "ptrace": 117,
        "mount": 40, "bpf": 280, "io_uring_setup": 425, "memfd_create": 279, "unlinkat": 35, "mkdirat": 34,
        "process_vm_readv": 270, "tgkill": 131, "ioctl": 29, "prctl": 167, "openat": 56, "clone": 220, "clone3": 435,
        "fcntl": 25, "prlimit64": 261, "pwrite64": 68, "unshare": 97, "execveat": 281, "socketpair": 199,
    },
}  # fmt: skip
"""From the kernel's tables (arch/x86/entry/syscalls/syscall_64.tbl, include/uapi/asm-generic/unistd.h)."""
COMPUTING = {"read", "write", "mmap", "futex"}
BY_ARGUMENT = {"openat", "open", "clone", "clone3", "fcntl", "prlimit64"}


def verdict(machine, name, *arguments, audit=None):
    """What the filter says of a call; an interpreter of the four instructions that it is made of."""
    of = seccomp.MACHINES[machine]
    memory = {0: NUMBERS[machine].get(name, name), 4: of.audit if audit is None else audit}
    memory.update({16 + 8 * number: value for number, value in enumerate((*arguments, 0, 0, 0)[:6])})
    steps, at, held = seccomp.program(of), 0, 0
    while True:
        code, if_true, if_false, constant = steps[at]
        at += 1
        if code == 0x20:
            held = memory[constant]
        elif code == 0x06:
            return constant
        else:
            is_true = held == constant if code == 0x15 else bool(held & constant)
            at += if_true if is_true else if_false


@pytest.mark.parametrize("machine", NUMBERS)
def test_a_program_may_compute_and_nothing_else(machine):
    for name in NUMBERS[machine].keys() - BY_ARGUMENT:
        assert verdict(machine, name) == (ALLOWED if name in COMPUTING else DENIED), name
    assert verdict(machine, 9999) == DENIED
    assert verdict(machine, "read", audit=0x40000003) == KILLED
    assert len(seccomp.program(seccomp.MACHINES[machine])) < 4096


@pytest.mark.parametrize("machine", NUMBERS)
def test_calls_are_allowed_by_their_arguments(machine):
    assert verdict(machine, "openat", 0, 0, os.O_RDONLY | os.O_CLOEXEC) == ALLOWED
    for flags in (os.O_WRONLY, os.O_RDWR, os.O_RDONLY | os.O_CREAT, os.O_RDONLY | os.O_TRUNC):
        assert verdict(machine, "openat", 0, 0, flags) == DENIED
    assert verdict(machine, "clone", 0x3D0F00) == ALLOWED  # what libc asks for a thread
    assert verdict(machine, "clone", 0x1200011) == DENIED  # and for a process
    assert verdict(machine, "clone3") == NONE
    assert [verdict(machine, "fcntl", 3, command) for command in (1, 3, 1030)] == [ALLOWED] * 3
    assert [verdict(machine, "fcntl", 3, command) for command in (8, 10, 15, 1033)] == [DENIED] * 4
    assert verdict(machine, "prlimit64", 0, 7) == ALLOWED
    assert verdict(machine, "prlimit64", 17, 7) == DENIED


def test_machines_without_numbers_have_no_filter(monkeypatch):
    monkeypatch.setattr(seccomp.platform, "machine", lambda: "riscv64")
    assert seccomp.machine() is None


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.complex_numbers(),
    lambda inner: (
        st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text() | st.integers(), inner)
        | st.sets(st.integers()) | st.frozensets(st.text())
    ),
    max_leaves=20,
)  # fmt: skip


def refused(value):
    raise AssertionError(value)


def through_a_pipe(value):
    reader, writer = os.pipe()
    try:
        Pipe(writer).send(encode(value, refused))
        return decode(Pipe(reader).receive(), refused)
    finally:
        os.close(reader)
        os.close(writer)


def shown(value):
    """The value with its types; sets in one order."""
    if isinstance(value, (set, frozenset)):
        return [type(value).__name__, sorted(map(repr, value))]
    if isinstance(value, dict):
        return ["dict", [(shown(key), shown(item)) for key, item in value.items()]]
    if isinstance(value, (list, tuple)):
        return [type(value).__name__, [shown(item) for item in value]]
    return [type(value).__name__, repr(value)]


@given(PLAIN)
def test_plain_values_arrive_as_they_were_sent(value):
    assert shown(through_a_pipe(value)) == shown(value)


def test_a_value_of_a_derived_class_arrives_with_its_content_and_as_another_class():
    class Same(int):
        __hash__ = int.__hash__

        def __eq__(self, other):
            return True

    arrived = through_a_pipe(Same(3))
    assert arrived == 3
    assert arrived != 4
    assert type(arrived) is not int


def test_what_is_not_plain_stays_where_it_is():
    kept = []
    message = encode([len], lambda value: ["kept", kept.append(value) or 0])
    assert kept == [len]
    assert decode(message, lambda found: kept[found[1]]) == [len]


@pytest.mark.parametrize(
    "message",
    [["list"], ["list", 3], ["int", "zz"], ["dict", [[1]]], ["set", [["list", []]]], ["range", "a"], ["type", "eval"]],
)
def test_a_message_that_means_nothing_is_refused(message):
    with pytest.raises(BadFrame):
        decode(message, refused)


def test_a_frame_that_is_too_long_is_not_read():
    reader, writer = os.pipe()
    os.write(writer, b"\xff\xff\xff\xff")
    with pytest.raises(BadFrame, match="4294967295 bytes"):
        Pipe(reader).receive()
    os.close(writer)
    with pytest.raises(EOFError):
        Pipe(reader).receive()
    os.close(reader)


@pytest.mark.parametrize(
    ("actual", "expected", "is_equal"),
    [
        (1, True, False), (1, 1.0, False), ([1], [1], True), ((1,), [1], False), ([True], [1], False),
        ({1: [2]}, {1: [2]}, True), ({1: 2}, {1: 2.0}, False), ({1: 2}, {1: 2, 3: 4}, False),
        ({1, 2}, {2, 1}, True), ({1}, {True}, False), (math.nan, math.nan, False), ("a", "a", True), (None, None, True),
    ],
)  # fmt: skip
def test_equality_also_compares_types(actual, expected, is_equal):
    assert type_aware_equal(actual, expected) is is_equal
