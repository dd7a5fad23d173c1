"""One run of a few shards on the fake cluster, its controllers, a schedule of faults, and what must hold at the end."""

from __future__ import annotations

import asyncio
import json
import random
import tempfile
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from unittest import mock

from opencompass_ops import drive, jobs
from opencompass_ops.clusters.attempts import Outcome
from opencompass_ops.clusters.base import JobState
from opencompass_ops.clusters.budgets import may_retry
from opencompass_ops.clusters.config import ClusterConfig
from opencompass_ops.clusters.slurm import account
from opencompass_ops.contract import layout
from opencompass_ops.contract.files import LocalFiles
from opencompass_ops.contract.plan import Plan
from opencompass_ops.contract.spec import Part, ShardSpec
from opencompass_ops.errors import UnsureError
from opencompass_ops.jobs import Job
from tests.clusters.slurm.fake import shells, virtual
from tests.clusters.slurm.fake.faults import EVERYTHING
from tests.clusters.slurm.fake.processes import Stage
from tests.clusters.slurm.fake.shells import FakeShell, LoginNode
from tests.clusters.slurm.fake.slurm import BEGIN, FakeSlurm, Site
from tests.clusters.slurm.fake.slurm import Job as SlurmJob
from tests.clusters.slurm.fake.work import Ledger

ITEMS = 4
AFTERMATH = 180.0
"""Seconds after the last fault for which what was prepared may still happen."""
STRAGGLERS = 60.0
"""Seconds after the last verdict in which what is late may still come."""
PATIENCE = 2 * 3600.0
"""Seconds after the last fault within which every shard must have its verdict."""

SHARED_MEMORY = Path("/dev/shm")


@dataclass(frozen=True)
class Step:
    """One fault.

    :param after: seconds since the one before.
    :param number: which one, how long or how often; each fault makes of it what it needs.
    """

    after: float
    fault: str
    number: int = 0


@dataclass(frozen=True)
class Setting:
    """A site and a run on it.

    :param limit: jobs of the run alive at once.
    :param seconds: that an item takes.
    :param requeue: whether jobs may be run again under their id.
    :param bad: how many jobs of the first shard fail by themselves.
    """

    site: Site = field(default_factory=Site)
    shards: int = 2
    limit: int = 1
    seconds: float = 10.0
    requeue: bool = False
    bad: int = 0


@dataclass(frozen=True)
class Report:
    """What came of a schedule.

    :param problems: everything that should not have been.
    :param struck: faults that really happened, and how often.
    :param jobs: that Slurm took.
    :param seconds: of virtual time.
    """

    problems: list[str]
    struck: Counter[str]
    jobs: int
    seconds: float


@dataclass
class Task:
    """What Airflow remembers of a shard, whatever happens to its triggerers."""

    shard: str
    job: Job | None = None
    tries: int = 0
    result: Outcome | None = None
    excuses: set[str] = field(default_factory=set)


@dataclass
class Controller:
    """A triggerer: a connection and what it sees to."""

    name: str
    shell: FakeShell
    doing: list[asyncio.Task[None]] = field(default_factory=list)

    def kill(self) -> None:
        """As SIGKILL: nothing more is done."""
        self.shell.dead = True
        for each in self.doing:
            each.cancel()


class World:
    """The run directory, the cluster and whoever works on it; see :func:`play`."""

    def __init__(self, folder: Path, setting: Setting) -> None:
        self.setting, self.run_dir = setting, folder / "run"
        self.ledger = Ledger(setting.seconds, bad={_name(0): setting.bad})
        self.stage = Stage(folder, lambda: BEGIN + self.now())
        self.slurm = FakeSlurm(self.stage, replace(setting.site), self.ledger, self._accepted)
        self.login = LoginNode(self.stage, self.slurm)
        self.tasks = [Task(_name(number)) for number in range(setting.shards)]
        self.fates: list[tuple[str, str]] = []
        self.struck: Counter[str] = Counter()
        self.controllers: dict[str, Controller] = {}
        self.gone: set[str] = set()
        self.problems = self.ledger.problems
        self._taken: Counter[str] = Counter()
        self._cancels: set[asyncio.Task[None]] = set()
        self._plan(folder)

    async def run(self, schedule: Sequence[Step]) -> Report:
        """Let the faults come, then none any more."""
        self.begin_controller()
        for step in schedule:
            await asyncio.sleep(step.after)
            self.struck[step.fault] += bool(EVERYTHING[step.fault](self, step.number))
        await self._until(self._over, AFTERMATH)
        self.fates.clear()
        self.slurm.armed.clear()
        self.slurm.site.accounting = self.setting.site.accounting
        if not await self._until(self._over, PATIENCE):
            self.problems.append(f"no verdict: {self.tasks}")
        await asyncio.sleep(STRAGGLERS)
        if not await self._until(lambda: not self.slurm.live, AFTERMATH):
            self.problems.append(f"still in the queue: {self.slurm.live}")
        self._judge()
        return Report(self.problems, +self.struck, self._taken.total(), self.now())

    def now(self) -> float:
        """Seconds since the beginning."""
        return asyncio.get_running_loop().time()

    # what faults do here

    def begin_controller(self) -> None:
        """One more triggerer that sees to every shard."""
        name = f"controller-{len(self.controllers)}"
        self.controllers[name] = Controller(name, FakeShell(self.login, self._fate))
        for task in self.tasks:
            self._do(self.controllers[name], self._see_through(name, task))

    def restart(self, number: int) -> None:
        """One triggerer is killed, and begun again."""
        alive = [each for each in self.controllers.values() if not each.shell.dead]
        alive[number % len(alive)].kill()
        self.begin_controller()

    def cancel(self, number: int) -> bool:
        """Somebody wants a shard stopped, and insists; False when it is not under way."""
        task = self.tasks[number % len(self.tasks)]
        controller = next(each for each in self.controllers.values() if not each.shell.dead)
        if task.result or not task.job:
            return False
        task.excuses.add("JobCancelled")
        self._do(controller, self._cancel(self._mine(controller.name, task.job)))
        return True

    def excuse(self, token: str, error_type: str) -> None:
        """The token's shard may end so."""
        for task in self.tasks:
            if f"-{task.shard}-" in token:
                task.excuses.add(error_type)

    def excuse_words(self, words: Sequence[str], error_type: str) -> None:
        """The same for what sbatch was given."""
        self.excuse(next(word for word in words if word.startswith("--job-name=")), error_type)

    # controllers

    async def _see_through(self, name: str, task: Task) -> None:
        """As operator, trigger and retry policy do together."""
        while task.result is None:
            if task.job is None:
                if jobs.shard_is_done(str(self.run_dir), task.shard):
                    task.result = Outcome("", 0, JobState.SUCCEEDED, "the outputs are there")
                    return
                task.tries += 1
                task.job = jobs.job_for(str(self.run_dir), task.shard)
            job = self._mine(name, task.job)
            self._ended(task, job, await drive.run_job(job))

    def _ended(self, task: Task, job: Job, outcome: Outcome) -> None:
        if task.result or task.job is None or task.job.token != job.token:
            return  # another controller was first
        self._must_be_gone(job, outcome.state.value)
        self.ledger.over.add(job.token)
        error = None if outcome.ok else drive.error_of(outcome, str(self.run_dir), task.shard)
        if error is None or not may_retry(error, tries=task.tries, retry=2)[0]:
            task.result = outcome
        else:
            task.job = None

    def _must_be_gone(self, job: Job, why: str) -> None:
        for left in self.slurm.live:
            if left.token == job.token and not left.surplus and self._may_work(left):
                self.problems.append(f"{job.token} is {why}, and its job {left.id} is {left.state}")

    def _may_work(self, job: SlurmJob) -> bool:
        if (self.run_dir / layout.job(job.token, "slurm.cancelled")).exists():
            return False
        return job.state == "PENDING" or any(job.token in tokens for tokens in self.ledger.at_work.values())

    async def _cancel(self, job: Job) -> None:
        while True:
            try:
                await drive.cancel_job(job, "enough")
                return self._must_be_gone(job, "cancelled")
            except UnsureError:
                await asyncio.sleep(20)

    def _mine(self, name: str, job: Job) -> Job:
        return replace(job, cluster={**job.cluster, "connection_id": name})

    def _do(self, controller: Controller, what: Coroutine[Any, Any, None]) -> None:
        doing = asyncio.create_task(what)
        controller.doing.append(doing)
        doing.add_done_callback(self._done)

    def _done(self, doing: asyncio.Task[None]) -> None:
        if not doing.cancelled() and doing.exception():
            self.problems.append(f"a controller failed: {doing.exception()!r}")

    def _fate(self) -> str:
        fault, fate = self.fates.pop(0) if self.fates else ("", shells.REACHED)
        self.struck[fault] += fate != shells.REACHED
        return fate

    # what must hold

    def _accepted(self, job: SlurmJob, late: bool) -> None:
        """Called for each job before Slurm has it."""
        if job.surplus:
            return
        self._taken[job.token] += 1
        if self._taken[job.token] > 1 and job.token not in self.gone:
            self.problems.append(f"{job.token} was submitted {self._taken[job.token]} times")
        alive = {each.token for each in self.slurm.shown() if each.live} - {job.token}
        if len(alive) >= self.setting.limit and not late:
            self.problems.append(f"{job.token} was submitted beside {', '.join(alive)}")

    def _judge(self) -> None:
        files = LocalFiles(self.run_dir)
        for task in self.tasks:
            answered = self.ledger.answered.get(task.shard, Counter())
            twice = [item for item, times in answered.items() if times > 1]
            if twice:
                self.problems.append(f"{task.shard}: items {twice} were answered more than once")
            self._judge_task(task, self.ledger.journal.get(task.shard, 0))
        for token in files.list("jobs"):
            self._judge_starts(files, token)

    def _judge_task(self, task: Task, answered: int) -> None:
        outcome = task.result
        if outcome is None:
            return
        if outcome.ok and (answered < ITEMS or not jobs.shard_is_done(str(self.run_dir), task.shard)):
            self.problems.append(f"{task.shard} is a success with {answered} of {ITEMS} items")
        if not outcome.ok and outcome.error_type not in task.excuses:
            self.problems.append(f"{task.shard} failed for no reason: {outcome}")

    def _judge_starts(self, files: LocalFiles, token: str) -> None:
        if not files.exists(layout.starts(token)):
            return
        starts = [json.loads(line) for line in files.read(layout.starts(token)).splitlines()]
        if len({start["job_id"] for start in starts}) > 1 or len({start["restart"] for start in starts}) < len(starts):
            self.problems.append(f"{token} started more than once: {starts}")

    def _over(self) -> bool:
        return all(task.result for task in self.tasks)

    async def _until(self, condition: Callable[[], bool], seconds: float) -> bool:
        end = self.now() + seconds
        while not condition() and self.now() < end:
            await asyncio.sleep(1)
        return condition()

    def _plan(self, folder: Path) -> None:
        values = {
            "kind": "slurm",
            "connection_id": "controller",
            "state_dir": str(folder / "state"),
            "python": str(self.stage.commands / "python"),
            "code_dir": [],
            "resources": {"extra_args": ["--requeue"]} if self.setting.requeue else {},
        }
        files = LocalFiles(self.run_dir)
        for task in self.tasks:
            part = Part({"abbr": task.shard}, None, 0, ITEMS, ITEMS, fingerprint=task.shard, pair_fingerprint="p")
            spec = ShardSpec(task.shard, "infer", {"abbr": "tiny"}, (part,))
            files.write(layout.shard_spec(task.shard), spec.to_json())
        plan = Plan(
            stamp="20260101_000000", run_dir=str(self.run_dir), instance="here", mode="all", config="c",
            config_fingerprint="", params={}, cluster=ClusterConfig.from_values("fake", values).to_values(),
            max_num_workers=self.setting.limit, retry=2, models=(), datasets=(), pairs=(), shards=(), evaluations=(),
        )  # fmt: skip
        files.write(layout.PLAN, plan.to_json())


def play(setting: Setting, schedule: Sequence[Step]) -> Report:
    """Run the schedule to its end."""

    async def whole(folder: Path) -> Report:
        with _connected(World(folder, setting)) as world:
            return await world.run(schedule)

    random.seed(1)
    place = SHARED_MEMORY if SHARED_MEMORY.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="oc-model-", dir=place) as folder:
        return virtual.run(whole(Path(folder)))


@contextmanager
def _connected(world: World) -> Iterator[World]:
    """Every connection id is a controller's; whoever is left at the end is killed."""
    with mock.patch.object(account, "shell_for", lambda name: world.controllers[name].shell):
        try:
            yield world
        finally:
            for controller in world.controllers.values():
                controller.kill()
            world.login.reboot()
            world.slurm.close()
            world.stage.close()


def _name(number: int) -> str:
    return f"infer-{number:04}"
