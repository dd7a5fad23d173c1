"""One of OpenCompass's task modules as a child of the job, and what its end means."""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from inference.problems import InputProblem

INFER_TASK = "openicl_infer.py"
EVAL_TASK = "openicl_eval.py"
JUDGE_TASK = "subjective_eval.py"
_MAIN = "opencompass.cli.main"

_POLL_SECONDS = 1.0
_GRACE_SECONDS = 10.0
_TAIL_BYTES = 1 << 16
_BLOCK = 1 << 14

_RAISED = re.compile(
    r"^(?:\[rank\d+\]:\s*)?(?:[\w.]+\.)?(\w*(?:Error|Exception|NotFound|Interrupt))(?::[ ]?(.*))?$", re.M
)
_LAUNCHER = "ChildFailedError"
_PERMANENT = frozenset(
    {"AssertionError", "AttributeError", "FileNotFoundError", "ImportError", "IndexError", "KeyError", "LookupError"}
    | {"ModuleNotFoundError", "NameError", "NotImplementedError", "SyntaxError", "TypeError", "ValueError"}
)
"""What another try of the same request would meet again."""
_OWN_LAUNCHERS = ("VLLM", "Lmdeploy")
"""Parts of model types that start their processes themselves; OpenCompass starts the others by torchrun."""


class OpenCompassFailed(Exception):
    """OpenCompass's task ended badly, or well without its work.

    :param error_type: class name of what it raised.
    :param retryable: whether another try could end otherwise.
    """

    def __init__(self, message: str, error_type: str = "OpenCompassFailed", retryable: bool = True) -> None:
        super().__init__(message)
        self.error_type = error_type
        self.retryable = retryable


def opencompass_version() -> str:
    """The version that this interpreter has.

    :raises InputProblem: it has none.
    """
    try:
        return importlib.metadata.version("opencompass")
    except importlib.metadata.PackageNotFoundError as error:
        raise InputProblem(
            f"{sys.executable} has no OpenCompass; name an interpreter or an image that has in the cluster config, "
            "such as opencompass=dict(python='/envs/opencompass/bin/python')"
        ) from error


def run_task(
    task: str, parameters: Path, environment: Mapping[str, str], processes: int, watch: Callable[[str], None]
) -> None:
    """Run a task module to its end, its output in this job's log.

    On a SIGTERM of ours, and on every other way out, the task and all that it started end.

    :param task: file name of the module.
    :param parameters: its parameter file; its folder is where the task runs.
    :param environment: the task's variables.
    :param processes: started by torchrun; 0 for the plain interpreter.
    :param watch: called every second with the last of the output.
    :raises OpenCompassFailed: it ended badly; with the type and the words of what it raised.
    """
    _run([*_torchrun(processes), str(_module(task)), str(parameters)], parameters.parent, environment, watch)


def run_main(parameters: Path, environment: Mapping[str, str], *flags: str) -> None:
    """The same for OpenCompass's own ``run.py``.

    :param parameters: its config.
    :raises OpenCompassFailed: it ended badly.
    """
    _run(["-m", _MAIN, str(parameters), *flags], parameters.parent, environment, lambda said: None)


def _run(words: Sequence[str], place: Path, environment: Mapping[str, str], watch: Callable[[str], None]) -> None:
    argv = [sys.executable, *words]
    print("bridge: " + " ".join(argv), flush=True)
    child = subprocess.Popen(
        argv,
        cwd=place,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    with _pumped(child) as tail, _stopped(child):
        while True:
            try:
                child.wait(_POLL_SECONDS)
            except subprocess.TimeoutExpired:
                watch(tail.text())
            else:
                break
    watch(tail.text())
    if child.returncode:
        raise _failure(child.returncode, tail.text())


def task_environment(data_dir: str) -> dict[str, str]:
    """This job's variables for the task: the data's place by OpenCompass's name for it, our packages off the path."""
    folders = [
        folder for folder in os.environ.get("PYTHONPATH", "").split(os.pathsep) if folder and not _is_ours(folder)
    ]
    path = {"PYTHONPATH": os.pathsep.join(folders)} if folders else {}
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return {"COMPASS_DATA_CACHE": data_dir, "PYTHONUNBUFFERED": "1", **kept, **path}


def count_processes(model: Mapping[str, Any], num_gpus: int, num_procs: int) -> int:
    """How many processes torchrun starts, 0 for none; OpenCompass's rule."""
    types = f"{model.get('type', '')} {(model.get('llm') or {}).get('type', '')}"
    return num_procs if num_gpus > 1 and not any(name in types for name in _OWN_LAUNCHERS) else 0


def _torchrun(processes: int) -> list[str]:
    # --standalone finds a free port; OpenCompass draws one, and two tasks may draw the same.
    words = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(processes)]
    return words if processes else []


def _module(task: str) -> Path:
    opencompass_version()
    found = importlib.util.find_spec("opencompass")
    if found is None or not found.origin:
        raise InputProblem(f"the opencompass of {sys.executable} has no folder; install it anew")
    return Path(found.origin).with_name("tasks") / task


def _is_ours(folder: str) -> bool:
    return any((Path(folder) / name / "__init__.py").is_file() for name in ("inference", "opencompass_ops"))


class _Tail:
    """The last of an output."""

    def __init__(self) -> None:
        self._bytes = b""

    def add(self, block: bytes) -> None:
        self._bytes = (self._bytes + block)[-_TAIL_BYTES:]

    def text(self) -> str:
        return self._bytes.decode(errors="replace")


@contextlib.contextmanager
def _pumped(child: subprocess.Popen[bytes]) -> Iterator[_Tail]:
    tail = _Tail()
    assert child.stdout is not None  # it was asked for
    thread = threading.Thread(target=_pump, args=(child.stdout, tail), name="output", daemon=True)
    thread.start()
    try:
        yield tail
    finally:
        thread.join(_GRACE_SECONDS)


def _pump(stream: IO[bytes], tail: _Tail) -> None:
    while block := os.read(stream.fileno(), _BLOCK):
        tail.add(block)
        sys.stdout.buffer.write(block)
        sys.stdout.flush()


@contextlib.contextmanager
def _stopped(child: subprocess.Popen[bytes]) -> Iterator[None]:
    """End the child's whole session on the way out; what a task leaves behind must not hold the GPUs."""
    try:
        yield
    finally:
        if child.poll() is None:
            _signal(child, signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(_GRACE_SECONDS)
        _signal(child, signal.SIGKILL)
        child.wait()


def _signal(child: subprocess.Popen[bytes], number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, number)


def _failure(returncode: int, tail: str) -> OpenCompassFailed:
    if returncode < 0:
        return OpenCompassFailed(f"OpenCompass's task was ended by signal {-returncode}; see the log")
    raised = [found for found in _RAISED.findall(tail) if found[0] != _LAUNCHER]
    if not raised:
        return OpenCompassFailed(f"OpenCompass's task ended with {returncode}; see the log")
    name, words = raised[-1]
    message = f"OpenCompass's task ended with {name}: {words or 'no word'}; the log has its traceback"
    return OpenCompassFailed(message, name, retryable=name not in _PERMANENT)
