"""The system calls that a judged program may make; all others fail with EPERM.

An allow list of what computing needs: no file for writing, no socket, no process, no signal, nobody else's limits.
Formats: https://docs.kernel.org/userspace-api/seccomp_filter.html, struct seccomp_data and classic BPF.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _MODE_FILTER = 38, 22, 2
_LOAD, _IF_EQUAL, _IF_ANY_BIT, _RETURN = 0x20, 0x15, 0x45, 0x06
_NUMBER_AT, _MACHINE_AT, _ARGUMENTS_AT, _ARGUMENT_SIZE = 0, 4, 16, 8
_KILL, _ALLOW, _ERROR = 0x80000000, 0x7FFF0000, 0x00050000

_CLONE_THREAD = 0x00010000
_HARMLESS_FCNTL = (0, 1, 2, 3, 4, 1030)
"""F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_DUPFD_CLOEXEC; F_SETOWN would send signals."""
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC


@dataclass(frozen=True)
class Machine:
    """Numbers of system calls.

    :param audit: what the kernel calls the machine (AUDIT_ARCH_*).
    :param plain: calls that are allowed whatever their arguments are.
    :param opens: calls that open a file -> the position of their flags.
    """

    audit: int
    plain: tuple[int, ...]
    opens: Mapping[int, int]
    clone: int
    fcntl: int
    prlimit: int
    clone3: int = 435


MACHINES: Mapping[str, Machine] = {
    "x86_64": Machine(
        audit=0xC000003E,
        # read write close stat fstat lstat poll lseek mmap mprotect munmap brk rt_sigaction rt_sigprocmask rt_sigreturn
        # pread64 readv writev access pipe select sched_yield mremap msync mincore madvise dup dup2 pause nanosleep
        # getitimer alarm setitimer getpid exit uname getdents getcwd readlink gettimeofday getrlimit getrusage sysinfo
        # times getuid getgid geteuid getegid getppid sigaltstack statfs fstatfs gettid time futex sched_getaffinity
        # getdents64 set_tid_address restart_syscall clock_gettime clock_getres clock_nanosleep exit_group epoll_wait
        # epoll_ctl newfstatat readlinkat faccessat pselect6 ppoll set_robust_list epoll_pwait eventfd2 epoll_create1
        # dup3 pipe2 getrandom membarrier statx rseq faccessat2
        plain=(
            *(0, 1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 32, 33),
            *(34, 35, 36, 37, 38, 39, 60, 63, 78, 79, 89, 96, 97, 98, 99, 100, 102, 104, 107, 108, 110, 131, 137, 138),
            *(186, 201, 202, 204, 217, 218, 219, 228, 229, 230, 231, 232, 233, 262, 267, 269, 270, 271, 273, 281, 290),
            *(291, 292, 293, 318, 324, 332, 334, 439),
        ),
        opens={2: 1, 257: 2},
        clone=56,
        fcntl=72,
        prlimit=302,
    ),
    "aarch64": Machine(
        audit=0xC00000B7,
        # getcwd eventfd2 epoll_create1 epoll_ctl epoll_pwait dup dup3 statfs fstatfs faccessat close pipe2 getdents64
        # lseek read write readv writev pread64 pselect6 ppoll readlinkat newfstatat fstat exit exit_group
        # set_tid_address futex set_robust_list nanosleep getitimer setitimer clock_gettime clock_getres
        # clock_nanosleep sched_getaffinity sched_yield restart_syscall sigaltstack rt_sigaction rt_sigprocmask
        # rt_sigreturn times uname getrlimit getrusage gettimeofday getpid getppid getuid geteuid getgid getegid gettid
        # sysinfo brk munmap mremap mmap mprotect msync mincore madvise getrandom membarrier statx rseq faccessat2
        plain=(
            *(17, 19, 20, 21, 22, 23, 24, 43, 44, 48, 57, 59, 61, 62, 63, 64, 65, 66, 67, 72, 73, 78, 79, 80, 93, 94),
            *(96, 98, 99, 101, 102, 103, 113, 114, 115, 123, 124, 128, 132, 134, 135, 139, 153, 160, 163, 165, 169),
            *(172, 173, 174, 175, 176, 177, 178, 179, 214, 215, 216, 222, 226, 227, 232, 233, 278, 283, 291, 293, 439),
        ),
        opens={56: 2},
        clone=220,
        fcntl=25,
        prlimit=261,
    ),
}


def machine() -> Machine | None:
    """This machine's numbers; None where we have none, or where the interpreter is of another word size."""
    return MACHINES.get(platform.machine()) if ctypes.sizeof(ctypes.c_void_p) == 8 else None


def program(of: Machine) -> list[tuple[int, int, int, int]]:
    """The filter as instructions of classic BPF: code, jump if true, jump if false, constant."""
    denied = _ERROR | errno.EPERM
    return [
        (_LOAD, 0, 0, _MACHINE_AT),
        (_IF_EQUAL, 1, 0, of.audit),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER_AT),
        *(step for number in of.plain for step in _when(number, [(_RETURN, 0, 0, _ALLOW)])),
        *(
            step
            for number, flags in of.opens.items()
            for step in _when(number, [_argument(flags), (_IF_ANY_BIT, 0, 1, _WRITING), *_verdicts(denied, _ALLOW)])
        ),
        *_when(of.clone, [_argument(0), (_IF_ANY_BIT, 0, 1, _CLONE_THREAD), *_verdicts(_ALLOW, denied)]),
        # Its flags lie in memory, where no filter can look; told that there is no clone3, libc asks by clone.
        *_when(of.clone3, [(_RETURN, 0, 0, _ERROR | errno.ENOSYS)]),
        *_when(of.fcntl, [_argument(1), *_among(_HARMLESS_FCNTL), (_RETURN, 0, 0, denied)]),
        *_when(of.prlimit, [_argument(0), *_among((0,)), (_RETURN, 0, 0, denied)]),
        (_RETURN, 0, 0, denied),
    ]


def install(steps: Sequence[tuple[int, int, int, int]]) -> None:
    """Filter this process for good, and whatever it starts.

    :param steps: see :func:`program`.
    :raises OSError: the kernel has no seccomp filters, or a container forbids them.
    """
    code = b"".join(struct.pack("HBBI", *step) for step in steps)
    held = ctypes.create_string_buffer(code, len(code))
    filter_ = struct.pack("HxxxxxxP", len(steps), ctypes.addressof(held))
    libc = ctypes.CDLL(None, use_errno=True)
    for arguments in ((_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), (_PR_SET_SECCOMP, _MODE_FILTER, filter_, 0, 0)):
        if libc.prctl(*arguments):
            code_ = ctypes.get_errno()
            raise OSError(code_, f"seccomp: {os.strerror(code_)}")


def _argument(position: int) -> tuple[int, int, int, int]:
    """Load the low half of an argument; flags and commands have no more."""
    return (_LOAD, 0, 0, _ARGUMENTS_AT + _ARGUMENT_SIZE * position)


def _when(value: int, steps: Sequence[tuple[int, int, int, int]]) -> list[tuple[int, int, int, int]]:
    return [(_IF_EQUAL, 0, len(steps), value), *steps]


def _among(values: Sequence[int]) -> list[tuple[int, int, int, int]]:
    return [step for value in values for step in _when(value, _verdicts(_ALLOW))]


def _verdicts(*returned: int) -> list[tuple[int, int, int, int]]:
    return [(_RETURN, 0, 0, each) for each in returned]
