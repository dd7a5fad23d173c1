"""Two processes that see jobs of one run, or of one user, through: together they stop the newest, and no more."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from opencompass_ops.budgets.events import told
from opencompass_ops.budgets.meter import TICK, Meter
from opencompass_ops.budgets.policy import Met
from opencompass_ops.budgets.site import RUN, SERIES
from opencompass_ops.budgets.watched import Watched
from opencompass_ops.contract.files import LocalFiles
from opencompass_ops.contract.plan import PlannedLimits
from opencompass_ops.results.rows import MeteredRow
from opencompass_ops.results.store import Store


@dataclass
class Fleet:
    """Jobs and the order in which they were stopped; each that is stopped ends."""

    folder: Path
    url: str
    limit: float | None = None
    of_series: float | None = None
    stopped: list[str] = field(default_factory=list)

    def job(
        self, name: str, began: float, *, first: float | None = None, user: str = "alice", run: str = "1"
    ) -> Watched:
        """One that has run for a while, of two devices and an hour to go.

        :param began: seconds ago.
        :param first: when the shard first ran, seconds ago; None for then.
        """
        now = time.time()

        async def stop(reason: str) -> None:
            self.stopped.append(name)
            watched.spans = [(begin, end or time.time()) for begin, end in watched.spans]

        watched = Watched(
            token=name, shard=name, label=name, run_dir=str(self.folder / run), files=LocalFiles(self.folder / run),
            limits=PlannedLimits(user=user, series="run7", gpu_seconds=self.limit, series_gpu_seconds=self.of_series),
            cluster="c", gpus=2, expected=3600.0, before=0.0,
            first=None if first is None else now - first, stop=stop, spans=[(now - began, None)], is_admitted=True,
        )  # fmt: skip
        return watched

    async def see(self, *groups: list[Watched], stops: int) -> list[str]:
        """Each group in a process of its own, until so many are stopped and a while longer."""
        async with AsyncExitStack() as stack, asyncio.timeout(20):
            for group in groups:
                meter = Meter(self.url)
                for job in group:
                    await stack.enter_async_context(meter.watching(job))
            while len(self.stopped) < stops:
                await asyncio.sleep(0.02)
            await asyncio.sleep(0.5)
            return self.stopped


@pytest.fixture
def fleet(tmp_path, monkeypatch) -> Fleet:
    monkeypatch.setenv(TICK, "0.1")
    monkeypatch.setenv("OPENCOMPASS_OPS_CONFIG_DIR", str(tmp_path))
    return Fleet(tmp_path, f"sqlite:///{tmp_path / 'results.db'}")


async def test_the_newest_of_all_processes_stop_first_and_no_more_than_needed(fleet):
    fleet.limit = 2.5 * 2 * 3600.0  # two of four fit, beside what all have used
    one = [fleet.job("oldest", 40), fleet.job("newest", 10)]
    other = [fleet.job("older", 30), fleet.job("newer", 20)]
    assert sorted(await fleet.see(one, other, stops=2)) == ["newer", "newest"]


async def test_a_process_whose_jobs_are_the_oldest_stops_none_of_them(fleet):
    fleet.limit = 2.5 * 2 * 3600.0
    old, new = [fleet.job("a", 40), fleet.job("b", 30)], [fleet.job("c", 20), fleet.job("d", 10)]
    assert sorted(await fleet.see(new, old, stops=2)) == ["c", "d"]


async def test_a_shard_that_is_tried_again_keeps_its_age(fleet):
    fleet.limit = 1.5 * 2 * 3600.0
    assert await fleet.see([fleet.job("again", 5, first=100), fleet.job("young", 50)], stops=1) == ["young"]


async def test_jobs_of_other_runs_and_processes_count_for_their_user(fleet):
    (fleet.folder / "budgets.yaml").write_text("each_user: {total: 3}")
    own, other = fleet.job("own", 20), fleet.job("other", 40, run="2")
    assert await fleet.see([own], [other, fleet.job("bobs", 5, user="bob")], stops=1) == ["own"]


async def test_what_a_series_may_use_holds_for_what_runs_of_it_whoever_pays(fleet):
    fleet.of_series = 1.5 * 2 * 3600.0
    own, other = fleet.job("own", 20), fleet.job("other", 40, run="2", user="bob")
    assert await fleet.see([own], [other], stops=1) == ["own"]
    (event,) = told(LocalFiles(fleet.folder / "1"))
    assert (event.kind, event.limit) == (SERIES, "3 GPU-hours of series 'run7'")


async def test_grants_that_are_lowered_while_jobs_run_hold_from_the_next_look_on(fleet):
    (fleet.folder / "budgets.yaml").write_text("each_user: {total: 100}")

    async def lower() -> None:
        await asyncio.sleep(0.5)
        assert fleet.stopped == []
        (fleet.folder / "budgets.yaml").write_text("each_user: {total: 3}")
        await asyncio.sleep(0.3)
        (fleet.folder / "budgets.yaml").write_text("{")  # half-written: as before

    async with asyncio.TaskGroup() as group:
        group.create_task(lower())
        group.create_task(fleet.see([fleet.job("old", 20), fleet.job("new", 10)], stops=1))
    assert fleet.stopped == ["new"]


async def test_nothing_begins_beside_what_another_process_has_begun(fleet):
    fleet.limit = 1.5 * 2 * 3600.0
    first, second = Meter(fleet.url), Meter(fleet.url)
    new = fleet.job("new", 0)
    new.spans, new.is_admitted = [], False
    async with first.watching(fleet.job("old", 100)):
        await asyncio.sleep(0.5)
        async with second.watching(new):
            assert await second.refusal(new) == Met(RUN, "3 GPU-hours of the run")
    late = fleet.job("late", 0)
    late.spans, late.is_admitted = [], False
    async with second.watching(late):
        assert await second.refusal(late) is None, "the other one is over"


async def test_a_process_that_is_gone_for_long_counts_no_more(fleet):
    fleet.limit = 1.5 * 2 * 3600.0
    with Store.open(fleet.url) as store:
        gone = MeteredRow("gone", "alice", "", str(fleet.folder / "1"), 2, 0.0, 0.0, 3600.0, time.time() - 100)
        store.record_usage([], [gone])
    assert await fleet.see([fleet.job("here", 20)], stops=0) == []
