"""Drive a whole plan from one process: the coroutine of the trigger, without Airflow."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from opencompass_ops import unscorable
from opencompass_ops.clusters.base import JobStatus
from opencompass_ops.clusters.budgets import may_retry
from opencompass_ops.clusters.narration import Narrator
from opencompass_ops.contract import layout
from opencompass_ops.contract.files import LocalFiles
from opencompass_ops.contract.plan import Plan, PlannedShard
from opencompass_ops.drive import cancel_job, error_of, run_job
from opencompass_ops.jobs import job_for, log_path, shard_is_done

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

Say = Callable[[str], None]


async def run_plan(
    run_dir: Path,
    say: Say,
    *,
    live: bool = False,
    on_stage: Callable[[str], None] = lambda kind: None,
    database_url: str | None = None,
) -> dict[str, str]:
    """Run what the plan still lacks: inference, then evaluation, then tables that OpenCompass makes.

    At most ``max_num_workers`` shards are in flight; cancelling this coroutine leaves their jobs alive.

    :param say: called with one line per event.
    :param live: one shard at a time, its output shown while it runs.
    :param on_stage: called with ``infer`` and ``eval`` when its shards are over; must return at once.
    :param database_url: of the results database, in which GPU-hours are booked; None counts none.
    :returns: shard id -> why it failed for good; empty when everything succeeded.
    """
    plan = Plan.from_json(LocalFiles(run_dir).read(layout.PLAN))
    failed: dict[str, str] = {}
    for kind, shards in plan.stages.items():
        stage = plan.stage(kind)
        slots = asyncio.Semaphore(1 if live else stage.max_num_workers)
        ends = await asyncio.gather(
            *(_run_shard(run_dir, shard, stage.retry, slots, say, live, database_url) for shard in shards)
        )
        failed |= {shard.id: why for shard, why in zip(shards, ends, strict=True) if why}
        on_stage(kind)
    return failed


async def cancel_plan(run_dir: Path) -> int:
    """Cancel every job of the plan that is not over; returns how many shards were not done."""
    plan = Plan.from_json(LocalFiles(run_dir).read(layout.PLAN))
    open_shards = [shard for shard in plan.all_shards if not shard_is_done(str(run_dir), shard.id)]
    jobs = [job_for(str(run_dir), shard.id) for shard in open_shards]
    await asyncio.gather(*(cancel_job(job, reason="cancelled from the command line") for job in jobs))
    return len(jobs)


async def _run_shard(
    run_dir: Path,
    shard: PlannedShard,
    retry: int,
    slots: asyncio.Semaphore,
    say: Say,
    live: bool,
    database_url: str | None,
) -> str:
    async with slots:
        tries = 0
        hopeless = unscorable.refusal(str(run_dir), shard.id)
        if hopeless:
            say(str(hopeless))
            return str(hopeless)
        while not shard_is_done(str(run_dir), shard.id):
            tries += 1
            job = job_for(str(run_dir), shard.id)
            say(f"{shard.label}: job {job.token}")
            async with _followed(log_path(str(run_dir), shard.id) if live else None, say):
                told = partial(_tell, Narrator(job.token), say, shard.label)
                outcome = await run_job(job, told, database_url)
            if outcome.ok:
                break
            error = error_of(outcome, str(run_dir), shard.id)
            again, reason = may_retry(error, tries=tries, retry=retry)
            say(f"{shard.label}: {error}\n{shard.label}: {reason}")
            if not again:
                return str(error).splitlines()[0]
        say(f"{shard.label}: done")
        return ""


def _tell(narrator: Narrator, say: Say, label: str, status: JobStatus) -> None:
    """All but what the job prints: that is followed in its log, where somebody asked for it."""
    for line in narrator.lines(replace(status, log="")):
        say(f"{label}: {line}")


@asynccontextmanager
async def _followed(path: Path | None, say: Say) -> AsyncIterator[None]:
    if path is None:
        yield
        return
    position = path.stat().st_size if path.exists() else 0
    follower = asyncio.create_task(_follow(path, position, say))
    try:
        yield
    finally:
        await asyncio.sleep(0.3)  # the last lines were written just before the job's end was seen
        follower.cancel()


async def _follow(path: Path, position: int, say: Say) -> None:
    while True:
        for line in _lines_since(path, position):
            position += len(line)
            say(line.decode(errors="replace").rstrip("\n"))
        await asyncio.sleep(0.2)


def _lines_since(path: Path, position: int) -> Iterable[bytes]:
    if not path.exists():
        return []
    with path.open("rb") as stream:
        stream.seek(position)
        return [line for line in stream.readlines() if line.endswith(b"\n")]
