"""Runs on a testbed that are driven from this event loop, as the command line drives them, and the proof."""

from __future__ import annotations

import asyncio
import shutil
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cluster.testbed import Testbed
from faults.evidence import Evidence
from faults.template import Template, answers
from opencompass_ops.clusters.attempts import Outcome
from opencompass_ops.clusters.config import ClusterConfig
from opencompass_ops.clusters.shell import close_shells, shell_for
from opencompass_ops.clusters.slurm.rows import Row
from opencompass_ops.contract import layout
from opencompass_ops.contract.files import LocalFiles
from opencompass_ops.contract.plan import Plan
from opencompass_ops.drive import run_job
from opencompass_ops.jobs import Job, job_for
from opencompass_ops.runner import run_plan
from small_world import STAND_IN

CONNECTION = "bed"
SECONDS = 90


GATE = """#!/bin/bash
if [[ "$*" != *--test-only* ]]; then
    echo "$*" >> {folder}/calls
    until [ -e {folder}/open ]; do sleep 0.05; done
fi
exec {program} "$@"
"""


@dataclass(frozen=True)
class Gate:
    """Where calls of a program on the login node wait."""

    folder: Path

    @property
    def calls(self) -> list[str]:
        """The words of each call, in one line."""
        path = self.folder / "calls"
        return path.read_text().splitlines() if path.exists() else []

    async def reached(self) -> None:
        """Wait for the first call."""
        await until(lambda: self.calls, f"call of {self.folder.name}")

    def open(self) -> None:
        """Let all calls go on."""
        (self.folder / "open").touch()


@dataclass
class World:
    """A testbed, reached over SSH, and a shared folder on it.

    :param place: below the bed's shared folder; run directories, state folder and interpreter lie there.
    """

    bed: Testbed
    template: Template
    place: Path

    @classmethod
    def on(cls, bed: Testbed, template: Template) -> World:
        """A world of its own on a bed that others may share."""
        world = cls(bed, template, bed.make_folder(uuid.uuid4().hex[:8]))
        interpreter = world.place / "python"
        interpreter.write_text(STAND_IN.format(python=str(bed.python), folder=str(template.small.folder)))
        interpreter.chmod(0o755)
        return world

    def cluster(self, **changes: Any) -> ClusterConfig:
        """The config of the bed's account.

        :param changes: other values than the usual ones.
        """
        values: dict[str, Any] = {
            "kind": "slurm",
            "connection_id": CONNECTION,
            "work_dir": str(self.place),
            "data_dir": str(self.template.small.folder),
            "state_dir": str(self.place / "state"),
            "python": str(self.place / "python"),
            "group": self.bed.bed.group,
            "umask": "002",
            "poll_interval": 0.3,
        }
        return ClusterConfig.from_values("bed", values | changes)

    def run(self, name: str = "run", *, instance: str = "here", max_num_workers: int = 8, **changes: Any) -> Run:
        """A planned run.

        :param instance: identity of the installation that it belongs to.
        :param changes: of the cluster config.
        """
        folder = self.place / name
        folder.mkdir()
        folder.chmod(0o2775)
        files = LocalFiles(folder)
        for shard in (self.template.folder / "shards").iterdir():
            files.write(f"shards/{shard.name}", shard.read_bytes())
        planned = Plan.from_json((self.template.folder / layout.PLAN).read_bytes())
        # Evaluations go where inference goes, and not where the template was planned for.
        plan = replace(planned, run_dir=str(folder), instance=instance, max_num_workers=max_num_workers, evaluation=())
        files.write(layout.PLAN, plan.to_json())
        run = Run(self, folder)
        run.configure(**changes)
        return run

    def hold(self, after: int = 0) -> Path:
        """Jobs wait once they have answered so many rows, until the returned file is unlinked."""
        return self.template.small.hold(after)

    def profile(self, text: str) -> None:
        """Give the account a login profile."""
        (self.bed.bed.home(self.bed.user) / ".bashrc").write_text(text)

    def gate(self, program: str) -> Gate:
        """From the next login on, calls of a program wait at a gate; those that only test pass."""
        gate = Gate(self.place / f"gate-{program}")
        gate.folder.mkdir()
        gate.folder.chmod(0o2775)
        wrapper = gate.folder / program
        wrapper.write_text(GATE.format(program=shutil.which(program), folder=gate.folder))
        wrapper.chmod(0o755)
        self.profile(f"PATH={gate.folder}:$PATH\n")
        return gate

    async def close(self) -> None:
        """Leave the bed as it was."""
        self.template.small.folder.joinpath("hold").unlink(missing_ok=True)
        (self.bed.bed.home(self.bed.user) / ".bashrc").unlink(missing_ok=True)
        await close_shells()
        self.bed.cancel_jobs()


class Run(Evidence):
    """One run directory and who drives it.

    :param folder: the run directory.
    """

    def __init__(self, world: World, folder: Path) -> None:
        super().__init__(world.bed, folder)
        self.world = world
        self.said: list[str] = []

    def configure(self, **changes: Any) -> None:
        """Give the jobs that are still to be submitted another cluster config than the usual one."""
        plan = Plan.from_json((self.folder / layout.PLAN).read_bytes())
        plan = replace(plan, cluster=self.world.cluster(**changes).to_values())
        LocalFiles(self.folder).write(layout.PLAN, plan.to_json())

    @property
    def jobs(self) -> list[Job]:
        """The submissions of the infer shards that are to be made or adopted."""
        return [job_for(str(self.folder), shard.id) for shard in self.plan.shards]

    @asynccontextmanager
    async def driven(self) -> AsyncIterator[None]:
        """Drive it beside the body of the block, then see it to its end and prove that nothing was lost or doubled."""
        async with self.driver() as driver:
            yield
            async with asyncio.timeout(SECONDS):
                failed = await driver
        assert failed == {}, "\n".join(self.said)
        await self.assert_exactly_once()

    @asynccontextmanager
    async def driver(self) -> AsyncIterator[asyncio.Task[dict[str, str]]]:
        """Drive it as long as the block lasts; leaving it does to the driver what a restart does."""
        task = asyncio.create_task(run_plan(self.folder, say=self.said.append))
        try:
            yield task
        finally:
            task.cancel()
            await asyncio.wait([task])

    async def assert_exactly_once(self) -> None:
        """All that must hold after every fault."""
        await shell_for(CONNECTION).close()
        self.assert_each_shard_ended_well_once()
        self.assert_each_row_was_answered_once()
        assert answers(self.folder) == self.world.template.answers
        self.assert_nothing_is_left()

    async def concluded(self) -> list[Outcome]:
        """What the present submissions came to, asked of the cluster and not only of the files, as a trigger does."""
        return list(await asyncio.gather(*map(run_job, self.jobs)))

    async def running(self, count: int, answered: int = 0) -> list[Row]:
        """Wait until so many jobs have started and answered so many rows each; the rows of those that run."""

        def is_so() -> bool:
            tokens = [token for token in self.tokens() if self.starts(token)]
            return len([token for token in tokens if len(self.lines(token, "answered")) >= answered]) >= count

        await until(is_so, f"{count} running jobs")
        return [row for row in self.rows() if row.state == "RUNNING"]

    async def ended(self, shard: str, submissions: int = 1) -> None:
        """Wait until so many submissions of a shard have their verdicts."""
        await until(lambda: len(self.verdicts(shard)) >= submissions, f"{submissions} verdicts of {shard}")


async def until(condition: Callable[[], Any], what: str, seconds: float = SECONDS) -> None:
    """Wait for something that other processes do."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"no {what} within {seconds:.0f} s"
        await asyncio.sleep(0.05)
