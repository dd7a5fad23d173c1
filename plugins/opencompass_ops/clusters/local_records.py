"""What the local backend writes into a job's folder: intent, start and end."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

from opencompass_ops.clusters.base import JobRequest, JobState, JobStatus
from opencompass_ops.clusters.processes import ProcessId
from opencompass_ops.contract import codec, layout
from opencompass_ops.contract.files import Files

_INTENT = "request.json"
_START = "supervisor.start.json"
_END = "supervisor.end.json"


@dataclass(frozen=True)
class Intent:
    """Written before anything is started.

    :param request: the fields of the :class:`JobRequest` but for ``env``, which is handed to the process itself.
    :param devices: values for ``CUDA_VISIBLE_DEVICES``.
    :param grace: seconds between SIGTERM and SIGKILL.
    """

    request: dict[str, Any]
    host: str
    devices: tuple[str, ...] = ()
    grace: float = 10.0
    created_at: str = ""

    @classmethod
    def of(cls, request: JobRequest, **facts: Any) -> Intent:
        """The intent to start a request."""
        plain = {item.name: getattr(request, item.name) for item in dataclasses.fields(request) if item.name != "env"}
        return cls(request=plain, **facts)

    @property
    def job(self) -> JobRequest:
        """The request, without its variables."""
        return JobRequest(**{**self.request, "argv": tuple(self.request["argv"])})


@dataclass(frozen=True)
class Start:
    """Its creation makes one supervisor the owner of the job; written before the job starts."""

    pid: int
    started: int
    boot_id: str
    host: str
    started_at: str = ""

    @property
    def process(self) -> ProcessId:
        """The supervisor."""
        return ProcessId(pid=self.pid, started=self.started, boot_id=self.boot_id, host=self.host)


@dataclass(frozen=True)
class End:
    """Written when the job's last process is gone."""

    state: str
    reason: str
    exit_code: int | None = None
    job_id: str = ""
    ended_at: str = ""

    @property
    def status(self) -> JobStatus:
        """The end as the protocol says it."""
        return JobStatus(JobState(self.state), self.reason, self.exit_code, self.job_id)


@dataclass(frozen=True)
class Entry:
    """How this host remembers a job: enough to find its folder and to count it.

    :param run_dir: absolute run directory.
    """

    token: str
    group: str
    run_dir: str
    devices: tuple[str, ...] = field(default_factory=tuple)


def write_intent(files: Files, token: str, intent: Intent) -> None:
    """Put the intent into the job's folder."""
    files.write(layout.job(token, _INTENT), codec.dumps(intent))


def read_intent(files: Files, token: str) -> Intent | None:
    """The intent, None when nobody wrote one."""
    return _read(files, layout.job(token, _INTENT), Intent)


def start_path(token: str) -> str:
    """Where the owner of the job signs."""
    return layout.job(token, _START)


def read_start(files: Files, token: str) -> Start | None:
    """Who owns the job, None when nobody does."""
    return _read(files, start_path(token), Start)


def write_end(files: Files, token: str, end: End) -> None:
    """Say how the job ended."""
    files.write(layout.job(token, _END), codec.dumps(end))


def read_end(files: Files, token: str) -> End | None:
    """How the job ended, None when it has not."""
    return _read(files, layout.job(token, _END), End)


def _read(files: Files, path: str, kind: type[codec.Record]) -> codec.Record | None:
    try:
        return codec.loads(kind, files.read(path))
    except FileNotFoundError:
        return None
