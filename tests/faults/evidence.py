"""What a run left behind: in its directory, in the scheduler, among the processes."""

from __future__ import annotations

import json
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

from cluster import accounts
from cluster.daemons import wait_until
from cluster.testbed import Testbed
from opencompass_ops.clusters.slurm.rows import Row
from opencompass_ops.contract import layout
from opencompass_ops.contract.plan import Plan

SECONDS = 60


class Evidence:
    """Of one run directory.

    :param bed: where its jobs ran.
    """

    def __init__(self, bed: Testbed, folder: Path) -> None:
        self.bed = bed
        self.folder = folder

    @cached_property
    def plan(self) -> Plan:
        """What was to be done."""
        return Plan.from_json((self.folder / layout.PLAN).read_bytes())

    def tokens(self, shard: str = "") -> list[str]:
        """Submissions, of one shard or of all, by epoch."""
        found = [path.name for path in (self.folder / "jobs").glob(f"*-{shard}*")]
        return sorted(found, key=lambda token: int(token.rpartition("-e")[2]))

    def lines(self, token: str, name: str) -> list[str]:
        """A file of a job's folder."""
        path = self.folder / layout.job(token, name)
        return path.read_text().splitlines() if path.exists() else []

    def exit_record(self, token: str) -> dict[str, Any]:
        """What the job wrote last; empty while it has not."""
        path = self.folder / layout.exit_record(token)
        return dict(json.loads(path.read_text())) if path.exists() else {}

    def starts(self, token: str) -> list[tuple[str, int]]:
        """Job id and restart of each start, as the jobs themselves noted them."""
        lines = map(json.loads, self.lines(token, "starts"))
        return [(line["job_id"], line["restart"]) for line in lines]

    def verdicts(self, shard: str) -> list[str]:
        """State, class and reason of each submission that was concluded, oldest first."""
        lines = (json.loads(line) for token in self.tokens(shard) for line in self.lines(token, "history.jsonl"))
        verdicts = [line["verdict"] for line in lines if "verdict" in line]
        return [f"{verdict['state']} {verdict['error_type']}: {verdict['reason']}" for verdict in verdicts]

    def rows(self, token: str = "") -> list[Row]:
        """What the controller remembers of the run's jobs, or of one token's, by job id."""
        shown = [line.split("|", 3) for line in self.bed.run("squeue", "-ht", "all", "-o", "%A|%T|%N|%j").splitlines()]
        rows = [Row(job_id, name, state, node=node) for job_id, state, node, name in shown]
        tokens = [token] if token else self.tokens()
        return sorted((row for row in rows if row.token in tokens), key=lambda row: int(row.job_id))

    @property
    def live(self) -> list[str]:
        """Ids of the run's jobs that are not over."""
        return [row.job_id for row in self.rows() if row.state in ("PENDING", "RUNNING", "COMPLETING")]

    @property
    def processes(self) -> list[str]:
        """Command lines of what jobs of the user started, where that is nobody else's."""
        return accounts.of_jobs(accounts.ids(self.bed.user)[0]) if self.bed.bed.is_private else []

    def assert_each_shard_ended_well_once(self) -> None:
        """One job of each shard left a good exit record, and no job started twice."""
        for shard in (*self.plan.shards, *self.plan.evaluations):
            starts = [start for token in self.tokens(shard.id) for start in self.starts(token)]
            assert len(starts) == len(set(starts)), f"{shard.id}: {starts}"
            records = [self.exit_record(token) for token in self.tokens(shard.id)]
            ended_well = [(record["job_id"], record["restart"]) for record in records if record.get("returncode") == 0]
            assert len(ended_well) == 1, f"{shard.id}: {records}"
            assert starts[-1] == ended_well[0], f"{shard.id}: {starts}"

    def assert_each_row_was_answered_once(self) -> None:
        """No answer was lost or computed twice; the stand-in notes each."""
        for shard in self.plan.shards:
            answered = [line for token in self.tokens(shard.id) for line in self.lines(token, "answered")]
            assert len(answered) == len(set(answered)) == shard.rows, answered

    def assert_nothing_is_left(self) -> None:
        """No live job in the queue, no process of a job."""
        wait_until("the queue is empty", lambda: not self.bed.run("squeue", "-ht", "PD,R,S,CG"), SECONDS)
        with suppress(TimeoutError):
            wait_until("no process is left", lambda: not self.processes, SECONDS)
        assert not (left := self.processes), left
