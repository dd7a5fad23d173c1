"""Jobs as processes of this host, each under a supervisor that outlives whoever submitted it."""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import shutil
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from opencompass_ops.clusters import local_records as records
from opencompass_ops.clusters import processes
from opencompass_ops.clusters.base import Admission, JobRequest, JobState, JobStatus
from opencompass_ops.clusters.config import ClusterConfig
from opencompass_ops.clusters.devices import choose, devices
from opencompass_ops.clusters.local_jobs import LocalJobs, state_folder
from opencompass_ops.clusters.local_launch import launch
from opencompass_ops.clusters.local_records import End, Entry, Intent
from opencompass_ops.clusters.local_status import status_of
from opencompass_ops.contract import variables
from opencompass_ops.contract.codec import SchemaError
from opencompass_ops.contract.files import LocalFiles
from opencompass_ops.errors import ConfigError, JobRefused, UnsureError

Answer = TypeVar("Answer")

GRACE_VARIABLE = "OPENCOMPASS_OPS_KILL_GRACE"
_TOKEN = re.compile(r"[a-z0-9-]{1,64}")
_OVERTIME_SECONDS = 5.0
_TICK = 0.05
_NOT_HERE = (
    *("setup", "mounts", "connection_id", "modules", "conda", "library_path", "container"),
    *("umask", "group", "probe_on", "has_quotatype"),
)
_HONOURED = ("num_gpus", "launcher", "minutes")


def open_cluster(config: ClusterConfig) -> LocalCluster:
    """This host as a cluster.

    :raises ConfigError: the config asks for what local processes do not have.
    """
    plain = ClusterConfig(config.name)
    asked = {key: getattr(config, key) != getattr(plain, key) for key in _NOT_HERE}
    asked |= {f"resources.{key}": key not in _HONOURED for key in config.resources.to_values()}
    for key in (key for key, is_asked in asked.items() if is_asked):
        raise ConfigError(
            f"cluster {config.name!r}: {key} has no meaning for kind 'local', whose jobs see this host as it is; "
            f"remove it, or set variables with env"
        )
    return LocalCluster(config)


class LocalCluster:
    """One host, one user; every method works from any process of that user.

    A job is known once a supervisor has signed its folder (``supervisor.start.json``); signing is
    exclusive, so a second supervisor for the same token leaves at once. Submitting holds the lock of
    the state folder, and the supervisor holds it on until it has signed: who gets the lock sees every
    job that was ever spawned.

    :param config: ``state_dir``, ``env``, ``secrets`` and ``max_workers_per_gpu`` are used here.
    """

    def __init__(self, config: ClusterConfig) -> None:
        self._config = config
        self._jobs = LocalJobs(state_folder(config.state_dir))

    def preview(self, request: JobRequest) -> str:
        """The job's own command: nothing stands between it and this host but its supervisor."""
        return shlex.join(request.argv)

    async def submit(self, request: JobRequest) -> Admission:
        """Start the job unless it is known, its group is full or no device is free."""
        return await _in_thread(self._submit, request)

    async def find(self, token: str) -> JobStatus | None:
        """The job's status once a supervisor owns it."""
        return await _in_thread(self._find, token)

    async def poll(self, tokens: Sequence[str]) -> Mapping[str, JobStatus]:
        """The status of many jobs, from their folders and /proc."""
        return await _in_thread(lambda: {token: self._status(token) for token in tokens})

    async def cancel(self, tokens: Sequence[str]) -> None:
        """SIGTERM, SIGKILL after the grace, and the same for what a dead supervisor left behind.

        :raises UnsureError: a job belongs to another host, or its processes do not go.
        """
        ends = await asyncio.gather(*(self._cancel(token) for token in tokens), return_exceptions=True)
        for error in ends:
            if error:
                raise error

    def _submit(self, request: JobRequest) -> Admission:
        self._check(request)
        files = LocalFiles(request.run_dir)
        with self._jobs.locked() as lock:
            entry = Entry(request.token, request.group, request.run_dir)
            if self._is_known(files, entry):
                return Admission.ADOPTED
            chosen = self._admit(request)
            if chosen is None:
                return Admission.FULL
            entry = Entry(entry.token, entry.group, entry.run_dir, chosen)
            self._record(files, request, entry)
            return launch(request, self._environment(request, entry), lock)

    def _check(self, request: JobRequest) -> None:
        if not _TOKEN.fullmatch(request.token):
            raise JobRefused(f"token {request.token!r} must be 1 to 64 of a-z, 0-9 and '-'")
        if not Path(request.run_dir).is_absolute():
            raise JobRefused(f"run directory {request.run_dir!r} must be an absolute path")
        if not all(_can_be_passed(item) for item in request.argv):
            raise JobRefused(f"{request.argv!r} cannot be passed to a program; remove NUL and undecodable characters")
        lacking = [name for name in self._config.secrets if not os.environ.get(name)]
        if lacking:
            raise JobRefused(
                f"cluster {self._config.name!r}: {', '.join(lacking)} of its secrets is not in the environment of the "
                "process that starts jobs (the command line, Airflow's triggerer); set it there, or take it out"
            )
        if not shutil.which(request.argv[0]):
            raise JobRefused(f"{request.argv[0]!r} is no program on this host; correct python in the cluster's config")
        offered = len(self._devices(request))
        if request.num_gpus > offered:
            raise JobRefused(
                f"a job needs {request.num_gpus} GPU(s) and this host offers {offered} (CUDA_VISIBLE_DEVICES, "
                "else nvidia-smi -L); lower num_gpus in the model's run_cfg or choose another cluster"
            )

    def _devices(self, request: JobRequest) -> tuple[str, ...]:
        return self._visible if request.num_gpus else ()

    @cached_property
    def _visible(self) -> tuple[str, ...]:
        return devices()

    def _is_known(self, files: LocalFiles, entry: Entry) -> bool:
        """Whether a supervisor owns or owned the job; a job this host's index does not have is put into it."""
        start = records.read_start(files, entry.token)
        end = records.read_end(files, entry.token)
        if (start or end) and self._jobs.get(entry.token) is None:
            intent = records.read_intent(files, entry.token)
            self._jobs.put(Entry(entry.token, entry.group, entry.run_dir, tuple(intent.devices) if intent else ()))
        return bool(start or end)

    def _admit(self, request: JobRequest) -> tuple[str, ...] | None:
        """The job's devices, None while the group is full or no device is free. Needs the lock."""
        alive = [entry for entry in self._jobs.live() if entry.token != request.token and self._still_counts(entry)]
        if sum(entry.group == request.group for entry in alive) >= request.max_running:
            return None
        used = [device for entry in alive for device in entry.devices]
        return choose(request.num_gpus, self._devices(request), used, self._config.max_workers_per_gpu)

    def _still_counts(self, entry: Entry) -> bool:
        files = LocalFiles(entry.run_dir)
        start = records.read_start(files, entry.token)
        if start and start.process.is_alive() and not records.read_end(files, entry.token):
            return True
        if start and not records.read_end(files, entry.token) and not _kill_leftovers(entry.token):
            return True  # its supervisor was killed, and what it left behind still holds memory and devices
        self._jobs.retire(entry.token)
        return False

    def _record(self, files: LocalFiles, request: JobRequest, entry: Entry) -> None:
        """Say what will be started, and count it, before it is."""
        grace = float(os.environ.get(GRACE_VARIABLE, "10"))
        intent = Intent.of(request, host=processes.host(), devices=entry.devices, grace=grace, created_at=_now())
        records.write_intent(files, request.token, intent)
        self._jobs.put(entry)

    def _environment(self, request: JobRequest, entry: Entry) -> dict[str, str]:
        return {
            **self._config.job_environment(request.has_secrets),
            **({name: os.environ[name] for name in self._config.secrets} if request.has_secrets else {}),
            **request.env,
            "CUDA_VISIBLE_DEVICES": ",".join(entry.devices),
            variables.TOKEN: request.token,
        }

    def _find(self, token: str) -> JobStatus | None:
        entry = self._jobs.get(token)
        status = status_of(LocalFiles(entry.run_dir), token) if entry else None
        return status if status and status.state is not JobState.UNKNOWN else None

    def _status(self, token: str) -> JobStatus:
        try:
            entry = self._jobs.get(token)
            if entry is None:
                return JobStatus(JobState.UNKNOWN, "this host never had it")
            return status_of(LocalFiles(entry.run_dir), token)
        except SchemaError as error:
            return JobStatus(JobState.UNKNOWN, str(error))

    async def _cancel(self, token: str) -> None:
        entry = await _in_thread(self._ask_to_stop, token)
        if entry is None:
            return
        files = LocalFiles(entry.run_dir)
        intent = records.read_intent(files, token)
        gives_up = time.monotonic() + (intent.grace if intent else 0) + _OVERTIME_SECONDS
        while _is_owned(files, token) and time.monotonic() < gives_up:
            await asyncio.sleep(_TICK)
        await _in_thread(self._finish_off, files, token)

    def _ask_to_stop(self, token: str) -> Entry | None:
        """Signal the supervisor; the job's entry when there is something to wait for."""
        with self._jobs.locked():  # a submission on its way is over once we have it
            entry = self._jobs.get(token)
            if entry is None:
                return None
            files = LocalFiles(entry.run_dir)
            start = records.read_start(files, token)
            if records.read_end(files, token):
                return None
            if start is None:
                # Spawned by nobody; whoever submits it again finds it ended.
                records.write_end(files, token, End(JobState.CANCELLED.value, "cancelled before it started"))
                return None
        if start.host != processes.host() and status_of(files, token).state is JobState.RUNNING:
            raise UnsureError(f"job {token} runs on host {start.host}, this is {processes.host()}; cancel it there")
        start.process.send(signal.SIGTERM)
        return entry

    def _finish_off(self, files: LocalFiles, token: str) -> None:
        if records.read_end(files, token):
            return
        if not _kill_leftovers(token):
            raise UnsureError(f"processes {processes.holders(token)} of job {token} do not go; look at them with ps")
        start = records.read_start(files, token)
        job_id = str(start.pid) if start else ""
        records.write_end(files, token, End(JobState.CANCELLED.value, "cancelled", None, job_id, _now()))


def _kill_leftovers(token: str) -> bool:
    """SIGKILL every process that was started with the token; whether all are gone."""
    gives_up = time.monotonic() + _OVERTIME_SECONDS
    while left := processes.holders(token):
        if time.monotonic() > gives_up:
            return False
        for pid in left:
            processes.send(pid, signal.SIGKILL)
        time.sleep(_TICK)
    return True


def _is_owned(files: LocalFiles, token: str) -> bool:
    start = records.read_start(files, token)
    return not records.read_end(files, token) and start is not None and start.process.is_alive()


def _can_be_passed(text: str) -> bool:
    try:
        return b"\0" not in text.encode()
    except UnicodeEncodeError:
        return False


async def _in_thread(question: Callable[..., Answer], *args: object) -> Answer:
    """Ask in a thread: locks, folders and /proc block.

    :raises UnsureError: a folder or a record could not be read; nothing is known.
    """
    try:
        return await asyncio.to_thread(question, *args)
    except (OSError, SchemaError) as error:
        raise UnsureError(
            f"local jobs cannot be asked ({error}); look at the state folder and the run directory"
        ) from error


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
