"""The parent of a local job: starts it once, owns its whole process tree, says how it ended.

Run detached by the local backend with the job's environment; standard library only, so that it
starts in milliseconds. A child subreaper (prctl(2)): processes of the job that outlive their parent
become children of the supervisor, so "no child left" means that the whole tree is gone.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from opencompass_ops.clusters.base import JobState
from opencompass_ops.clusters.exit_codes import in_words
from opencompass_ops.clusters.local_records import End, Intent, Start, read_intent, start_path, write_end
from opencompass_ops.clusters.processes import ProcessId, descendants, host, send
from opencompass_ops.contract import codec, variables
from opencompass_ops.contract.files import LocalFiles

CLAIMED = b"1"
TAKEN = b"0"

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_PR_SET_CHILD_SUBREAPER = 36
_STOP = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_WATCHED = (signal.SIGCHLD, *_STOP)
_TICK = 0.1
_BEAT = 15.0


def main(argv: Sequence[str]) -> None:
    """Take the job and see it through.

    :param argv: run directory, token, descriptor to answer on, descriptor of the submitter's lock.
    """
    run_dir, token, answer, lock = argv[0], argv[1], int(argv[2]), int(argv[3])
    if os.fork():
        os._exit(0)  # the submitter reaps this one; whoever reaps orphans has the other
    files = LocalFiles(run_dir)
    intent = read_intent(files, token)
    owns = intent is not None and claim(files, token)
    with contextlib.suppress(BrokenPipeError):  # the submitter died; the job is wanted all the same
        os.write(answer, CLAIMED if owns else TAKEN)
    os.close(answer)
    os.close(lock)
    if intent and owns:
        write_end(files, token, Supervisor(intent).run())


def claim(files: LocalFiles, token: str) -> bool:
    """Become the one owner of the job, or learn that there is one already."""
    start = Start(**asdict(ProcessId.mine()), started_at=_now())
    target = files.path(start_path(token))
    aside = target.with_name(f".{target.name}.{start.pid}.{start.started}")
    aside.write_text(codec.dumps(start), encoding="utf-8")
    try:
        os.link(aside, target)  # exclusive like O_EXCL, and nobody ever sees it half written
    except FileExistsError:
        return False
    finally:
        aside.unlink()
    return True


class Supervisor:
    """Sees one job through.

    :param intent: what to start, for how long, and how patiently to stop it.
    """

    def __init__(self, intent: Intent) -> None:
        self._intent = intent
        self._job = intent.job
        self._main: subprocess.Popen[bytes] | None = None
        self._code: int | None = None

    def run(self) -> End:
        """Start the job, wait for it or stop it, and return when no process of its tree is left."""
        _prctl(_PR_SET_CHILD_SUBREAPER, 1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # an inherited SIG_IGN would reap behind our back
        signal.pthread_sigmask(signal.SIG_BLOCK, _WATCHED)
        try:
            self._start()
        except OSError as error:
            return self._end(JobState.FAILED, f"could not be started: {error}; check the cluster's python", 127)
        stopped = self._wait()
        self._stop_tree()
        return self._verdict(stopped)

    def _start(self) -> None:
        devices = ",".join(self._intent.devices) or "none"
        sys.stdout.write(f"=== {self._job.token} on {host()}, {_now()}, GPUs: {devices} ===\n")
        sys.stdout.flush()
        self._main = subprocess.Popen(
            self._job.argv,
            cwd=self._job.run_dir,
            env={**os.environ, variables.JOB_ID: str(os.getpid())},
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=_become_job,  # safe here: the supervisor has one thread
        )

    def _wait(self) -> tuple[JobState, str] | None:
        """Until the job's main process ends (None), or why it must be stopped."""
        minutes = self._job.minutes
        ends_at = None if minutes is None else time.monotonic() + minutes * 60
        while self._reap() and self._code is None:
            left = _BEAT if ends_at is None else min(_BEAT, ends_at - time.monotonic())
            if left <= 0:
                return JobState.TIMEOUT, f"stopped at its time limit of {minutes} minutes"
            signum = _await_signal(_WATCHED, left)
            if signum in _STOP:
                return JobState.CANCELLED, "cancelled"
            if signum is None:
                self._beat()
        return None

    def _beat(self) -> None:
        """Tell other hosts, which cannot see this process, that it lives."""
        with contextlib.suppress(OSError):
            os.utime(LocalFiles(self._job.run_dir).path(start_path(self._job.token)))

    def _stop_tree(self) -> None:
        kill_at = time.monotonic() + self._intent.grace
        if self._reap():
            self._signal_tree(signal.SIGTERM)
        while self._reap():
            if time.monotonic() >= kill_at:
                self._signal_tree(signal.SIGKILL)
            _await_signal([signal.SIGCHLD], _TICK)

    def _signal_tree(self, signum: int) -> None:
        for pid in descendants(os.getpid()):
            send(pid, signum)

    def _reap(self) -> bool:
        """Collect the children that ended; whether any is left."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return False
            if pid == 0:
                return True
            if self._main and pid == self._main.pid:
                self._code = os.waitstatus_to_exitcode(status)

    def _verdict(self, stopped: tuple[JobState, str] | None) -> End:
        code = self._code
        if stopped:
            return self._end(*stopped, code)
        if code == 0:
            return self._end(JobState.SUCCEEDED, "", code)
        return self._end(JobState.FAILED, in_words(code), code)

    def _end(self, state: JobState, reason: str, code: int | None) -> End:
        return End(state=state.value, reason=reason, exit_code=code, job_id=str(os.getpid()), ended_at=_now())


def _become_job() -> None:
    """Between fork and exec: die with the supervisor, and start with no signal blocked or ignored."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    for signum in _WATCHED:
        signal.signal(signum, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _prctl(option: int, value: int) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"prctl({option}): {os.strerror(number)}")


def _await_signal(signals: Sequence[int], seconds: float) -> int | None:
    info = signal.sigtimedwait(signals, seconds)
    return info.si_signo if info else None


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def command(files_root: str, token: str, answer: int, lock: int) -> list[str]:
    """The argv that runs :func:`main` in a process of its own, without site-packages or the job's PYTHONPATH."""
    root = str(Path(__file__).resolve().parents[2])
    boot = f"import sys; sys.path.append(sys.argv.pop(1)); from {__name__} import main; main(sys.argv[1:])"
    return [sys.executable, "-I", "-S", "-c", boot, root, files_root, token, str(answer), str(lock)]
