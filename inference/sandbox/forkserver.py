"""The server from which programs and checkers are forked, one pair at a time.

It is started without credentials and never reads a program: what is judged passes from the job to the checker, and from
the checker to the program. On its socket (descriptor 0) it first says what holds for its children; then each message,
with the checker's descriptor, is answered when both processes are gone.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import resource
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location

from inference.sandbox import confines, seccomp
from inference.sandbox.checker import check
from inference.sandbox.program import serve
from inference.sandbox.wire import Pipe
from opencompass_ops.contract.confinement import die_with_parent, landlock_version, open_ruleset

_USUAL = (
    "array", "bisect", "cmath", "collections", "copy", "dataclasses", "datetime", "decimal", "enum", "fractions",
    "functools", "hashlib", "heapq", "itertools", "json", "math", "operator", "random", "re", "statistics", "string",
    "sys", "typing",
)  # fmt: skip
"""What programs mostly import: here once, instead of in each of them."""

_NUL = 1
"""The null device, as whoever starts the server arranges it."""


class Packages:
    """Finds the packages that programs may import, and no others beside the standard library.

    :param folders: of each package, its own first.
    """

    def __init__(self, folders: Mapping[str, Sequence[str]]) -> None:
        self._folders = folders

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """What the import system asks of an entry of ``sys.meta_path``."""
        if name not in self._folders:
            return None
        folder = self._folders[name][0]
        return spec_from_file_location(name, f"{folder}/__init__.py", submodule_search_locations=[folder])


def main(settings: str) -> None:
    """Serve until the socket ends.

    :param settings: JSON: ``secret``, a path that programs must not be able to read; ``wrapped``, whether another
        program made namespaces; ``packages``, folders of those that programs may import.
    """
    said = json.loads(settings)
    control = socket.socket(fileno=os.dup(0))
    os.dup2(_NUL, 0)
    for name in _USUAL:
        importlib.import_module(name)
    sys.meta_path.append(Packages(said["packages"]))
    readable = [*confines.readable(), *(folder for folders in said["packages"].values() for folder in folders)]
    namespaces = [] if said["wrapped"] else confines.leave_namespaces()
    if namespaces:
        _in_child(lambda: _serve(control, said["secret"], readable, namespaces))
    else:
        _serve(control, said["secret"], readable, namespaces)


def _in_child(action: Callable[[], None]) -> None:
    """Act as the first process of the new namespaces; when it ends, the kernel ends all that it started."""
    child = os.fork()
    if child:
        die_with_parent()
        os.waitpid(child, 0)
        return
    action()
    os._exit(0)


def _serve(control: socket.socket, secret: str, readable: list[str], namespaces: list[str]) -> None:
    confines.drop_capabilities()
    die_with_parent()
    ruleset = open_ruleset(readable, listable=[str(folder) for folder in confines.libraries()])
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    gc.collect()
    gc.freeze()  # so that no child copies what it only inherits
    control.send(json.dumps(_report(ruleset, secret, namespaces)).encode())
    os.dup2(_NUL, 2)
    while True:
        message, descriptors, _, _ = socket.recv_fds(control, 1 << 12, 1)
        if not message:
            return
        control.send(json.dumps(_judge(ruleset, json.loads(message)["seconds"], *descriptors)).encode())
        os.close(descriptors[0])


def _report(ruleset: int | None, secret: str, namespaces: list[str]) -> dict[str, object]:
    """What is in force, and what a process of a program was not refused when it tried."""
    reader, writer = os.pipe()
    child = _fork(ruleset, 60, (writer,), lambda: os.write(writer, json.dumps(confines.allowed(secret)).encode()))
    os.close(writer)
    said = os.read(reader, 1 << 12)
    os.close(reader)
    os.waitpid(child, 0)
    return {
        "landlock": landlock_version(),
        "seccomp": seccomp.machine() is not None,
        "namespaces": namespaces,
        "allowed": json.loads(said) if said else ["everything: the trial died"],
    }


def _judge(ruleset: int | None, seconds: float, channel: int) -> dict[str, object]:
    """Run a pair to its end, its checker speaking to the job; whether time ran out, and how busy they were."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    of_checker, of_program = (end.detach() for end in socket.socketpair())
    program = _fork(ruleset, seconds, (of_program,), lambda: serve(Pipe(of_program)))
    checker = _fork(ruleset, seconds, (of_checker, channel), lambda: _check(of_checker, channel))
    os.close(of_program)
    os.close(of_checker)
    timed_out = not _gone(checker, time.monotonic() + seconds)
    for process in (checker, program) if timed_out else (program,):  # a checker must not say how its program ended
        os.kill(process, signal.SIGKILL)  # a zombie too has its number until it is waited for
        os.waitpid(process, 0)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    busy = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"timed_out": timed_out, "busy": busy}


def _check(pipe: int, channel: int) -> None:
    job = Pipe(channel).receive()
    Pipe(channel).send(check(job, Pipe(pipe)))


def _fork(ruleset: int | None, seconds: float, kept: tuple[int, ...], action: Callable[[], object]) -> int:
    """A confined child with these descriptors and the null device only."""
    child = os.fork()
    if child:
        return child
    try:
        die_with_parent()
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        _close_all_but(kept if ruleset is None else (*kept, ruleset))
        confines.confine(ruleset, seconds)
        action()
    except BaseException:  # a traceback for the start-up trial; afterwards nobody reads it
        traceback.print_exc()
    finally:
        os._exit(0)


def _close_all_but(kept: tuple[int, ...]) -> None:
    first = 3
    for descriptor in sorted(kept):
        os.closerange(first, descriptor)
        first = descriptor + 1
    os.closerange(first, 1 << 10)


def _gone(process: int, deadline: float) -> bool:
    """Wait for a process; whether it ended in time."""
    while True:
        if os.waitpid(process, os.WNOHANG)[0]:
            return True
        left = deadline - time.monotonic()
        if left <= 0:
            return False
        signal.sigtimedwait({signal.SIGCHLD}, left)
