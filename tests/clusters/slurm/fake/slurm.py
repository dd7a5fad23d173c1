"""A Slurm small enough to be read: controller, accounting and nodes, in virtual time.

Its commands are executables (``tool.sh``) that ask this object, as the real ones ask slurmctld; its jobs are the real
job scripts, run by bash. What it says and when is what Slurm 22.05.8 was seen to say, in the project's notes on its
testbed and in ``tests/golden/slurm``; :mod:`faults` names the document of each misbehaviour.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tests.clusters.slurm.fake.processes import Process, Reply, Stage
from tests.clusters.slurm.fake.work import Ledger

BEGIN = 1_700_000_000
"""Seconds since 1970 when the simulation begins."""

LIVE = ("PENDING", "RUNNING", "COMPLETING")
MESSAGE_TIMEOUT = 10.0
BACKLOG = 8.0
"""Seconds that the controller needs for what was sent while it did not answer."""
TIMED_OUT = "Socket timed out on send/recv operation"
PARTITIONS = "PartitionName=gpu AllowGroups=ALL PriorityTier=10 PreemptMode=OFF State=UP\n"
_OPTION = re.compile(r"--([a-z-]+)(?:=(.*))?", re.DOTALL)


@dataclass
class Site:
    """How an installation is set up.

    :param nodes: each runs one job.
    :param accounting: whether sacct answers.
    :param lag: seconds by which accounting is late.
    :param min_job_age: seconds for which squeue shows a job that ended.
    :param completing: seconds that a node needs to clear up after a job.
    :param ids: after so many job ids they begin again at 1.
    """

    nodes: int = 2
    accounting: bool = True
    lag: float = 5.0
    min_job_age: float = 300.0
    completing: float = 1.0
    ids: int = 1000


@dataclass(eq=False)
class Job:
    """One submission that was taken.

    :param shown_from: when squeue begins to show it.
    :param surplus: whether the fault itself made it, as the second of two.
    :param ordered: how it is to end.
    :param order: that it is to end now; another one for each start.
    """

    id: str
    words: Sequence[str]
    submitted: float
    shown_from: float
    surplus: bool = False
    state: str = "PENDING"
    reason: str = "Priority"
    node: str = ""
    code: int = 0
    signal: int = 0
    restarts: int = 0
    not_before: float = 0.0
    ended: float | None = None
    ordered: str = ""
    order: asyncio.Event = field(default_factory=asyncio.Event)

    def option(self, name: str) -> str:
        """The value of one of sbatch's options."""
        found = (_OPTION.fullmatch(word) for word in self.words)
        return next((match[2] or "" for match in found if match and match[1] == name), "")

    @property
    def name(self) -> str:
        """The job's name."""
        return self.option("job-name")

    @property
    def token(self) -> str:
        """The end of its name."""
        return self.name.rpartition(".")[2]

    @property
    def live(self) -> bool:
        """Whether Slurm has something to do for it."""
        return self.state in LIVE

    @property
    def may_requeue(self) -> bool:
        """Whether it may be run again under its id."""
        return "--no-requeue" not in self.words


Misbehaviour = Callable[["FakeSlurm", Sequence[str], Process], Coroutine[Any, Any, Reply]]
"""What a command does instead of what it should, once."""


class FakeSlurm:
    """The controller.

    :param on_accept: called with each job that is taken, before it is, and whether it comes late.
    """

    def __init__(self, stage: Stage, site: Site, ledger: Ledger, on_accept: Callable[[Job, bool], None]) -> None:
        self.stage, self.site, self.ledger, self.on_accept = stage, site, ledger, on_accept
        self.memory: list[Job] = []
        self.history: list[Job] = []
        self.frozen_until = 0.0
        self.armed: dict[str, list[Misbehaviour]] = {}
        self._next_id = 1
        self._tasks: set[asyncio.Task[None]] = set()
        self._processes: set[Process] = set()

    @property
    def live(self) -> list[Job]:
        """Jobs that are not over, the oldest first."""
        return [job for job in self.memory if job.live]

    def shown(self) -> list[Job]:
        """What squeue shows now; jobs that ended longer than MinJobAge ago are forgotten."""
        now = _now()
        self.memory = [job for job in self.memory if job.ended is None or now - job.ended < self.site.min_job_age]
        return [job for job in self.memory if now >= job.shown_from]

    async def answer(self, words: Sequence[str], process: Process) -> Reply:
        """What a command prints and returns, when it does."""
        name = words[0]
        if name == "flock":
            await asyncio.sleep(1)
            return Reply()
        if self.armed.get(name) and "--test-only" not in words:
            return await self.armed[name].pop(0)(self, words, process)
        if _now() < self.frozen_until:
            return await self._frozen(words)
        return self.obey(words)

    def obey(self, words: Sequence[str]) -> Reply:
        """Do what a healthy controller does."""
        obeys = {"sbatch": self._sbatch, "squeue": self._squeue, "sacct": self._sacct, "scancel": self._scancel}
        return obeys[words[0]](words) if words[0] in obeys else Reply(0, PARTITIONS)

    def accept(self, words: Sequence[str], *, hidden: float = 0.0, surplus: bool = False, late: bool = False) -> Job:
        """Take a job.

        :param hidden: seconds until squeue shows it.
        :param late: whether the message waited until nobody listened any more.
        """
        job = Job(self.burn_id(), words, _now(), _now() + hidden, surplus)
        self.on_accept(job, late)
        self.memory.append(job)
        self.history.append(job)
        self._later(self._schedule)
        return job

    def refuse(self, words: Sequence[str], why: str) -> Reply:
        """Refuse a job; an id and a row under its name are used up all the same."""
        job = Job(self.burn_id(), words, _now(), _now(), state="FAILED", reason="BadConstraints", signal=1)
        job.ended = _now()
        self.memory.append(job)
        self.history.append(job)
        return Reply(1, "", f"sbatch: error: Batch job submission failed: {why}\n")

    def burn_id(self) -> str:
        """The next id that no job in memory has."""
        used = {job.id for job in self.shown()} | {job.id for job in self.live}
        while str(self._next_id) in used:
            self._next_id += 1
        number, self._next_id = self._next_id, self._next_id + 1
        if self._next_id > self.site.ids:
            self._next_id = 1
        return str(number)

    def freeze(self, seconds: float) -> None:
        """Answer nobody for so long; what was sent meanwhile is read then."""
        self.frozen_until = _now() + seconds
        self._later(self._schedule, seconds)

    def order(self, job: Job, state: str) -> None:
        """End a job; it will be in ``state``, or ``REQUEUE``."""
        if job.state == "PENDING":
            self._over(job, state)
        elif job.state == "RUNNING":
            job.ordered = state
            job.order.set()

    def cut_off(self, job: Job) -> None:
        """Its node is taken for dead; Slurm gives the job up, and nobody tells its processes."""
        self.ledger.ghosts.add(job.token)
        self._over(job, "NODE_FAIL")

    def close(self) -> None:
        """Kill every job's processes."""
        for task in self._tasks:
            task.cancel()
        for process in self._processes:
            process.kill()

    # commands

    async def _frozen(self, words: Sequence[str]) -> Reply:
        thaw = self.frozen_until - _now()
        if thaw < MESSAGE_TIMEOUT:
            await asyncio.sleep(thaw)
            return self.obey(words)
        await asyncio.sleep(MESSAGE_TIMEOUT)
        if words[0] == "sbatch" and "--test-only" not in words:
            self._later(lambda: self.accept(words, late=True), self.frozen_until - _now() + BACKLOG)
        return timed_out(words[0])

    def _sbatch(self, words: Sequence[str]) -> Reply:
        if "--test-only" in words:
            return Reply(0, "", f"sbatch: Job {self.burn_id()} to start at 2026-01-01T00:00:00\n")
        return Reply(0, f"{self.accept(words).id}\n")

    def _squeue(self, words: Sequence[str]) -> Reply:
        jobs = [job for job in self.shown() if "all" in words or job.live]
        render = _queue_line if "-O" in words else _short_line
        return Reply(0, "".join(f"{render(words[-1], job)}\n" for job in jobs))

    def _sacct(self, words: Sequence[str]) -> Reply:
        if not self.site.accounting:
            return Reply(1, "", "Slurm accounting storage is disabled\n")
        if "-j" in words:
            ids = words[words.index("-j") + 1].split(",")
            newest = {job.id: job for job in self.history if job.id in ids and self._recorded(job)}
            jobs = list(newest.values())
        else:
            name = next(word.partition("=")[2] for word in words if word.startswith("--name=")).lower()
            since = datetime.fromisoformat(words[words.index("-S") + 1]).replace(tzinfo=UTC).timestamp() - BEGIN
            found = (job for job in self.history if job.name.lower() == name and self._recorded(job))
            jobs = [job for job in found if job.ended is None or job.ended >= since]
        fields = words[words.index("-o") + 1].split(",")
        return Reply(0, "".join("|".join(self._account(job)[field] for field in fields) + "\n" for job in jobs))

    def _recorded(self, job: Job) -> bool:
        return _now() >= job.submitted + self.site.lag

    def _account(self, job: Job) -> dict[str, str]:
        known = job.ended is None or _now() >= job.ended + self.site.lag
        state = ("CANCELLED by 0" if job.state == "CANCELLED" else job.state) if known else "RUNNING"
        return {
            "JobIDRaw": job.id,
            "State": "RUNNING" if state == "COMPLETING" else state,
            "ExitCode": f"{job.code}:{job.signal}" if state in ("COMPLETED", "FAILED") else "0:0",
            "NodeList": job.node or "None assigned",
            "Partition": "gpu",
            "Submit": _stamp(job.submitted),
            "User": "eval",
            "JobName": job.name,
        }

    def _scancel(self, words: Sequence[str]) -> Reply:
        for job in [job for job in self.live if job.id in words]:
            self.order(job, "CANCELLED")
        return Reply()

    # jobs

    def _schedule(self) -> None:
        if _now() < self.frozen_until:
            return
        free = [f"n{number:02}" for number in range(1, self.site.nodes + 1)]
        for job in self.live:
            if job.node in free and job.state != "PENDING":
                free.remove(job.node)
        for job in [job for job in self.live if job.state == "PENDING"]:
            first = next(other for other in self.live if other.name == job.name)  # --dependency=singleton
            if free and first is job and _now() >= job.not_before:
                job.state, job.reason, job.node, job.order = "RUNNING", "", free.pop(0), asyncio.Event()
                self._begin(self._execute(job, job.order))

    async def _execute(self, job: Job, order: asyncio.Event) -> None:
        """What slurmd does: run the script, and stop it when it is told to."""
        environment = self.stage.environment | {
            "SLURM_JOB_ID": job.id,
            "SLURMD_NODENAME": job.node,
            **({"SLURM_RESTART_COUNT": str(job.restarts)} if job.restarts else {}),
        }
        with open(job.option("output").replace("%%", "%"), "ab") as log:  # noqa: PTH123
            process = Process(self.stage, ["bash", job.words[-1]], environment, (-3, log, log))
        self._processes.add(process)
        words = process.run()
        if words:
            await self._work(job, order, process, words)
        self._processes.discard(process)
        if job.order is not order or job.state != "RUNNING":
            return  # Slurm had given it up
        code = process.returncode or 0
        job.code, job.signal = (code, 0) if code >= 0 else (0, -code)
        job.state = "COMPLETING"
        await asyncio.sleep(self.site.completing)
        self._over(job, job.ordered or ("FAILED" if code else "COMPLETED"))

    async def _work(self, job: Job, order: asyncio.Event, process: Process, words: Sequence[str]) -> None:
        execution = self.ledger.begin(words, job.id, job.restarts)
        if execution is None:
            process.run(Reply(75))
            return
        began = _now()
        try:
            async with asyncio.timeout(execution.seconds):
                await order.wait()
        except TimeoutError:
            process.run(Reply(execution.finish()))
            return
        if job.ordered == "NODE_FAIL":
            execution.killed(_now() - began)
            process.kill()
        else:
            execution.terminated(_now() - began)
            process.terminate()

    def _over(self, job: Job, state: str) -> None:
        job.ordered = ""
        if state in ("REQUEUE", "NODE_FAIL", "PREEMPTED") and job.may_requeue:
            job.state, job.reason, job.node = "PENDING", "BeginTime", ""
            job.restarts += 1
            job.submitted = _now()
            job.not_before = _now() + 120
            self._later(self._schedule, 120)
        else:
            job.state, job.ended, job.reason = state, _now(), ""
        self._later(self._schedule)

    def _later(self, action: Callable[[], object], seconds: float = 0.0) -> None:
        async def act() -> None:
            await asyncio.sleep(seconds)
            action()

        self._begin(act())

    def _begin(self, task: Coroutine[Any, Any, None]) -> None:
        made = asyncio.create_task(task)
        self._tasks.add(made)
        made.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception():
            self.ledger.problems.append(f"the fake itself failed: {task.exception()!r}")


def timed_out(command: str) -> Reply:
    """What a command says after MessageTimeout seconds without an answer."""
    before = "sbatch: error: Batch job submission failed" if command == "sbatch" else "slurm_load_jobs error"
    return Reply(1, "", f"{before}: {TIMED_OUT}\n")


def _queue_line(format: str, job: Job) -> str:
    shown = {
        "JobID": job.id,
        "State": job.state,
        "Reason": job.reason or "None",
        "exit_code": str(job.code << 8 | job.signal),
        "RestartCnt": str(job.restarts),
        "NodeList": job.node,
        "Partition": "gpu",
        "SubmitTime": _stamp(job.submitted),
        "UserName": "eval",
        "Name": job.name,
        "Comment": job.option("comment"),
    }
    fields = (column.removesuffix(":|") for column in format.split(","))
    return "".join(f"{shown[field]}|" for field in fields)


def _short_line(format: str, job: Job) -> str:
    shown = {"%A": job.id, "%T": job.state, "%k": job.option("comment"), "%N": job.node, "%j": job.name}
    return re.sub("%.", lambda match: shown[match[0]], format)


def _stamp(seconds: float) -> str:
    return datetime.fromtimestamp(BEGIN + seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _now() -> float:
    return asyncio.get_running_loop().time()
