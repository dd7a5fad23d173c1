"""Runs on a testbed that are driven from this event loop, as the command line drives them, and the proof."""

from __future__ import annotations

import asyncio
import json
import shutil
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from cluster import accounts
from cluster.testbed import Testbed
from faults.template import Template, answers
from opencompass_ops.clusters.config import ClusterConfig
from opencompass_ops.clusters.shell import close_shells
from opencompass_ops.clusters.slurm.rows import Row
from opencompass_ops.contract import layout
from opencompass_ops.contract.files import LocalFiles
from opencompass_ops.contract.plan import Plan
from opencompass_ops.drive import Job, job_for
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
        plan = replace(
            planned,
            run_dir=str(folder),
            instance=instance,
            cluster=self.cluster(**changes).to_values(),
            max_num_workers=max_num_workers,
        )
        files.write(layout.PLAN, plan.to_json())
        return Run(self, folder)

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


@dataclass
class Run:
    """One run directory.

    :param said: what the driver printed.
    """

    world: World
    folder: Path
    said: list[str] = field(default_factory=list)

    @cached_property
    def plan(self) -> Plan:
        """What it will do."""
        return Plan.from_json((self.folder / layout.PLAN).read_bytes())

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
        """Every row was answered once, by one job that ended well, as in the undisturbed run; nothing is left."""
        for shard in self.plan.shards:
            ended_well = [token for token in self.tokens(shard.id) if self.exit_code(token) == 0]
            assert len(ended_well) == 1, f"{shard.id}: {ended_well}"
            assert len(self.lines(ended_well[0], "starts")) == 1
            answered = [line for token in self.tokens(shard.id) for line in self.lines(token, "answered")]
            assert len(answered) == len(set(answered)) == shard.rows, answered
        assert answers(self.folder) == self.world.template.answers
        await self.assert_nothing_left()

    async def assert_nothing_left(self) -> None:
        """No live job in the queue, no process of the jobs' user."""
        bed = self.world.bed
        await until(lambda: not bed.run("squeue", "-h", "-t", "PD,R,S,CG"), "an empty queue")
        await close_shells()
        if bed.bed.is_private:
            uid = accounts.ids(bed.user)[0]
            await until(lambda: not accounts.processes(uid), "the end of every process")

    def tokens(self, shard: str = "") -> list[str]:
        """Submissions, of one shard or of all, by epoch."""
        found = [path.name for path in (self.folder / "jobs").glob(f"*-{shard}*")]
        return sorted(found, key=lambda token: int(token.rpartition("-e")[2]))

    def lines(self, token: str, name: str) -> list[str]:
        """A file of a job's folder."""
        path = self.folder / layout.job(token, name)
        return path.read_text().splitlines() if path.exists() else []

    def exit_code(self, token: str) -> int | None:
        """Of the exit record; None while there is none."""
        path = self.folder / layout.exit_record(token)
        return int(json.loads(path.read_text())["returncode"]) if path.exists() else None

    def verdicts(self, shard: str) -> list[str]:
        """Class and reason of each submission that was concluded, oldest first."""
        lines = (json.loads(line) for token in self.tokens(shard) for line in self.lines(token, "history.jsonl"))
        verdicts = [line["verdict"] for line in lines if "verdict" in line]
        return [f"{verdict['state']}: {verdict['error_type']}: {verdict['reason']}" for verdict in verdicts]

    def rows(self, token: str = "") -> list[Row]:
        """What the controller remembers of the run's jobs, or of one token's."""
        shown = self.world.bed.run("squeue", "-h", "-t", "all", "-o", "%A|%T|%N|%j")
        rows = [Row(job_id, name, state, node=node) for job_id, state, node, name in map(_fields, shown.splitlines())]
        tokens = [token] if token else self.tokens()
        return sorted((row for row in rows if row.token in tokens), key=lambda row: int(row.job_id))

    async def running(self, count: int, answered: int = 0) -> list[Row]:
        """Wait until so many jobs have claimed their tokens and answered so many rows each; their rows."""

        def is_so() -> bool:
            begun = [token for token in self.tokens() if self.lines(token, "starts")]
            return len([token for token in begun if len(self.lines(token, "answered")) >= answered]) >= count

        await until(is_so, f"{count} running jobs")
        return [row for row in self.rows() if row.state == "RUNNING"]


def _fields(line: str) -> list[str]:
    return line.split("|", 3)


async def until(condition: Callable[[], Any], what: str, seconds: float = SECONDS) -> None:
    """Wait for something that other processes do."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"no {what} within {seconds:.0f} s"
        await asyncio.sleep(0.05)
