"""The process in which configs run: imports mmengine once, then forks a guarded child for each file.

Started by :mod:`opencompass_ops.configs.load` with a scrubbed environment. Reads one JSON request
from stdin and answers with one JSON line per file on stdout, so that what is read already survives its own death.
"""

from __future__ import annotations

import gc
import hashlib
import json
import os
import resource
import select
import shutil
import signal
import sys
import sysconfig
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from opencompass_ops.configs import bases
from opencompass_ops.configs.guard import Environment, Guard, RefusedError
from opencompass_ops.configs.plain import NotPlainError
from opencompass_ops.configs.policy import DEVICES, Policy
from opencompass_ops.configs.reader import Reader
from opencompass_ops.configs.syntax import ConfigProblem
from opencompass_ops.contract.confinement import confine, die_with_parent

_LARGEST_ANSWER = 256 * 2**20
_LARGEST_SCRATCH_FILE = 16 * 2**20


@dataclass(frozen=True)
class Task:
    """What the child is told.

    :param config_dirs: folders that stand for ``opencompass.configs``.
    :param library: OpenCompass's own ``configs``, None where there is no OpenCompass.
    :param memory_mb: address space the config may add to what the reader itself has.
    """

    config_dirs: tuple[Path, ...]
    library: Path | None
    data_dir: Path | None
    timeout_s: float
    memory_mb: int


def main() -> None:
    """Answer the request on stdin."""
    request = json.load(sys.stdin)
    task = Task(
        config_dirs=tuple(Path(folder) for folder in request["config_dirs"]),
        library=Path(request["library"]) if request["library"] else None,
        data_dir=Path(request["data_dir"]) if request["data_dir"] else None,
        timeout_s=request["timeout_s"],
        memory_mb=request["memory_mb"],
    )
    _libraries()  # once, for all children
    gc.collect()
    gc.freeze()  # so that no child copies what it only inherits
    for path in request["paths"]:
        sys.stdout.write(json.dumps(_answer(Path(path), task)) + "\n")
        sys.stdout.flush()


def _answer(path: Path, task: Task) -> dict[str, Any]:
    """What a child of its own says about the file."""
    scratch = tempfile.mkdtemp(prefix="opencompass-ops-config-")
    try:
        answer, why = _ask_child(path, task, scratch)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    if why:
        return {"error": f"{path}: {why}"}
    try:
        return dict(json.loads(answer))
    except ValueError:
        return {"error": f"{path}: the config garbled its own result; remove what writes to open files"}


def _ask_child(path: Path, task: Task, scratch: str) -> tuple[bytes, str]:
    """The child's answer, or why there is none."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        os.setpgid(0, 0)
        _run_child(path, task, scratch, writing)
    os.close(writing)
    with suppress(OSError):  # the child may have done it, or may be gone
        os.setpgid(child, child)
    deadline = time.monotonic() + task.timeout_s
    answer, why = _receive(reading, deadline, task)
    os.close(reading)
    why = why or _wait(child, deadline, task)
    os.killpg(child, signal.SIGKILL)  # it, or what it left behind; not yet reaped, so the number is still its own
    _, status = os.waitpid(child, 0)
    return answer, why or _why_ended(status, answer, task)


def _wait(child: int, deadline: float, task: Task) -> str:
    """Until the child has ended, which need not be when it has closed its pipe; why it was not waited for, or ""."""
    while os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT | os.WNOHANG) is None:
        if time.monotonic() > deadline:
            return _still_running(task)
        time.sleep(0.001)
    return ""


def _still_running(task: Task) -> str:
    return f"still running after {task.timeout_s:g} s; a config may only describe, so look for an endless loop"


def _receive(reading: int, deadline: float, task: Task) -> tuple[bytes, str]:
    chunks: list[bytes] = []
    while True:
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([reading], [], [], left)[0]:
            return b"", _still_running(task)
        chunk = os.read(reading, 2**20)
        if not chunk:
            return b"".join(chunks), ""
        chunks.append(chunk)
        if sum(map(len, chunks)) > _LARGEST_ANSWER:
            return b"", f"describes more than {_LARGEST_ANSWER >> 20} MB; split it"


def _why_ended(status: int, answer: bytes, task: Task) -> str:
    code = os.waitstatus_to_exitcode(status)
    if code == -signal.SIGXCPU:
        return f"used more than {task.timeout_s:g} s of CPU; a config may only describe, so look for an endless loop"
    if code < 0:
        return f"its process was killed by signal {-code}; look for a crash or for too much memory"
    if not answer:
        return f"ended its own process with code {code}; remove os._exit() from the config"
    return ""


def _run_child(path: Path, task: Task, scratch: str, writing: int) -> None:
    """Read the file and say so; never returns."""
    code = 1
    try:
        answer = json.dumps(_read(path, task, scratch)).encode()
        view = memoryview(answer)
        while view:
            view = view[os.write(writing, view) :]
        code = 0
    finally:
        os._exit(code)


def _read(path: Path, task: Task, scratch: str) -> dict[str, Any]:
    reader = Reader(task.config_dirs, task.library)
    die_with_parent()
    _settle(path, task, scratch)
    policy = Policy(_sources(path, task), _libraries(), os.path.realpath(scratch))
    environment = Environment()
    limit = _limit_memory(task.memory_mb)
    confine([*policy.sources, *policy.libraries], [policy.scratch, *DEVICES])
    guard = Guard(policy)
    vars(os)["environ"] = environment
    try:
        values, error = reader.read(path), ""
    except BaseException as problem:  # the edge of the process: whatever a config raises is its answer
        guard.active = False
        resource.setrlimit(resource.RLIMIT_AS, limit)
        values, error = {}, _explain(problem, reader, path, task)
    guard.active = False
    files = {source: _digest(source) for source in sorted(guard.sources) if Path(source).is_file()}
    return {"values": values, "files": files, "environment": environment.asked, "error": error} | {
        "overlaid": reader.overlaid
    }


def _settle(path: Path, task: Task, scratch: str) -> None:
    """Stand where OpenCompass stands (beside ``./data``), print nowhere, write to the scratch folder only."""
    os.chdir(task.data_dir or path.parent)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    os.environ["TMPDIR"] = tempfile.tempdir = scratch
    seconds = int(task.timeout_s) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    resource.setrlimit(resource.RLIMIT_FSIZE, (_LARGEST_SCRATCH_FILE, _LARGEST_SCRATCH_FILE))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _limit_memory(megabytes: int) -> tuple[int, int]:
    """Cap the address space; the limits as they were."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    cap = pages * resource.getpagesize() + megabytes * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (cap, before[1]))
    return before


def _sources(path: Path, task: Task) -> tuple[str, ...]:
    """The folders whose files are configs and data, OpenCompass's own configs included when they are there."""
    folders = [path.parent, *task.config_dirs, *([task.data_dir] if task.data_dir else [])]
    folders += [parent / bases.PACKAGE / "configs" for parent in path.parents]
    folders += [task.library] if task.library else []
    return tuple(dict.fromkeys(os.path.realpath(folder) for folder in folders if folder.is_dir()))


@cache
def _libraries() -> tuple[str, ...]:
    names = ("stdlib", "platstdlib", "purelib", "platlib")
    folders = [*sys.path, *(sysconfig.get_path(name) for name in names)]
    return tuple(dict.fromkeys(os.path.realpath(folder) for folder in folders if folder))


def _digest(path: str) -> str:
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _explain(error: BaseException, reader: Reader, path: Path, task: Task) -> str:
    """One message with file, line and next step."""
    if isinstance(error, ConfigProblem):
        return str(error)
    file, line = reader.place(error)
    return str(ConfigProblem(file or str(path), line, _describe(error, task)))


def _describe(error: BaseException, task: Task) -> str:
    text = " ".join(str(error).split())
    if isinstance(error, (RefusedError, NotPlainError)):
        return text
    if isinstance(error, PermissionError):  # of the kernel: the config went around the policy
        return f"{text}; it may only reach the config and data folders, so move there what it reads"
    if isinstance(error, MemoryError):
        return f"needs more than {task.memory_mb} MB of memory; a config may only describe, so look for what grows"
    if isinstance(error, RecursionError):
        return "nested without end (a value that holds itself, or a function that calls itself); break the circle"
    if isinstance(error, SystemExit):
        return f"ends the program (exit {text or 0}); remove that call"
    if isinstance(error, RuntimeError) and not text:  # what mmengine's lazy objects raise
        return "calls what it imported from a package; only the standard library is really there, so name it only"
    return f"{type(error).__name__}: {text:.300}; correct the config"
