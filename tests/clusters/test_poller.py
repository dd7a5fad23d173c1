"""However many wait, one query per tick."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Callable, Mapping, Sequence

import pytest

from opencompass_ops.clusters import poller as module
from opencompass_ops.clusters.base import JobState, JobStatus
from opencompass_ops.clusters.config import ClusterConfig
from opencompass_ops.clusters.poller import Poller, poller_for
from opencompass_ops.errors import UnsureError

TICK = 0.01


class Scripted:
    """A cluster that answers the n-th query with ``answer(n, token)``."""

    def __init__(self, answer: Callable[[int, str], JobState]) -> None:
        self.answer = answer
        self.asked: list[list[str]] = []

    async def poll(self, tokens: Sequence[str]) -> Mapping[str, JobStatus]:
        self.asked.append(list(tokens))
        return {token: JobStatus(self.answer(len(self.asked), token)) for token in tokens}


def after(queries: int, end: JobState = JobState.SUCCEEDED) -> Callable[[int, str], JobState]:
    return lambda asked, _token: end if asked >= queries else JobState.RUNNING


async def no_poll_tasks() -> bool:
    for _ in range(5):
        await asyncio.sleep(0)
    return not [task for task in asyncio.all_tasks() if task.get_name().startswith("poll ")]


async def test_hundreds_of_waiters_are_one_query_per_tick():
    cluster = Scripted(after(4))
    poller = Poller(cluster, interval=TICK)
    ends = await asyncio.gather(*(poller.wait(f"oc-{number}") for number in range(500)))
    assert {end.state for end in ends} == {JobState.SUCCEEDED}
    assert len(cluster.asked) == 4
    assert all(len(tokens) == 500 for tokens in cluster.asked)
    assert await no_poll_tasks()


async def test_two_waiters_for_one_token_are_asked_for_once_and_both_told():
    cluster = Scripted(after(2))
    poller = Poller(cluster, interval=TICK)
    await asyncio.gather(poller.wait("oc-a"), poller.wait("oc-a"))
    assert cluster.asked == [["oc-a"], ["oc-a"]]


async def test_each_new_state_is_told_once():
    states = [JobState.QUEUED, JobState.QUEUED, JobState.RUNNING, JobState.RUNNING, JobState.FAILED]
    poller = Poller(Scripted(lambda asked, _token: states[asked - 1]), interval=TICK)
    seen = []
    await poller.wait("oc-a", lambda status: seen.append(status.state))
    assert seen == [JobState.QUEUED, JobState.RUNNING, JobState.FAILED]


async def test_the_task_ends_with_its_last_waiter_and_starts_again_with_the_next():
    cluster = Scripted(after(10**9))
    poller = Poller(cluster, interval=TICK)
    waiters = [asyncio.create_task(poller.wait(f"oc-{number}")) for number in range(2)]
    while not cluster.asked:
        await asyncio.sleep(TICK)
    waiters[0].cancel()
    await asyncio.sleep(TICK * 5)
    assert cluster.asked[-1] == ["oc-1"]
    waiters[1].cancel()
    await asyncio.gather(*waiters, return_exceptions=True)
    assert await no_poll_tasks()
    cluster.answer = after(1)
    assert (await poller.wait("oc-2")).state is JobState.SUCCEEDED


async def test_a_newcomer_is_asked_for_soon_and_not_after_a_long_interval():
    cluster = Scripted(lambda _asked, token: JobState.SUCCEEDED if token == "oc-new" else JobState.RUNNING)
    poller = Poller(cluster, interval=60.0)
    old = asyncio.create_task(poller.wait("oc-old"))
    while not cluster.asked:
        await asyncio.sleep(TICK)
    await asyncio.wait_for(poller.wait("oc-new"), 5)
    old.cancel()


async def test_a_failed_query_changes_no_state_and_is_told_once_a_minute(caplog):
    def answer(asked: int, _token: str) -> JobState:
        if 1 < asked < 6:
            raise UnsureError("connection lost")
        return JobState.RUNNING if asked == 1 else JobState.SUCCEEDED

    seen = []
    poller = Poller(Scripted(answer), interval=TICK)
    with caplog.at_level(logging.WARNING):
        await poller.wait("oc-a", lambda status: seen.append(status.state))
    assert seen == [JobState.RUNNING, JobState.SUCCEEDED]
    assert len(caplog.records) == 1
    assert "no state changes: connection lost" in caplog.records[0].getMessage()


async def test_failed_queries_are_asked_less_and_less_often(monkeypatch):
    pauses = []

    async def sleep(_poller, seconds):
        pauses.append(seconds)
        await asyncio.sleep(0)
        return False

    def answer(asked: int, _token: str) -> JobState:
        if asked < 8:
            raise UnsureError("connection lost")
        return JobState.SUCCEEDED

    monkeypatch.setattr(Poller, "_sleep", sleep)
    monkeypatch.setattr(module.random, "uniform", lambda _low, _high: 1.0)
    await Poller(Scripted(answer), interval=10.0).wait("oc-a")
    assert pauses[:7] == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0]


async def test_unknown_for_too_long_is_lost_and_the_reason_says_so():
    poller = Poller(Scripted(lambda *_: JobState.UNKNOWN), interval=TICK, unknown_after=TICK * 5)
    seen = []
    end = await poller.wait("oc-a", lambda status: seen.append(status.state))
    assert end.state is JobState.LOST
    assert end.reason.startswith("unknown for ")
    assert seen == [JobState.UNKNOWN, JobState.LOST]


async def test_unknown_that_is_interrupted_starts_counting_again():
    def answer(asked: int, _token: str) -> JobState:
        if asked >= 30:
            return JobState.SUCCEEDED
        return JobState.RUNNING if asked % 3 == 0 else JobState.UNKNOWN

    poller = Poller(Scripted(answer), interval=TICK, unknown_after=TICK * 10)
    assert (await poller.wait("oc-a")).state is JobState.SUCCEEDED


async def test_time_without_an_answer_does_not_count_as_absence():
    def answer(asked: int, _token: str) -> JobState:
        if asked in (2, 3, 4, 5):
            raise UnsureError("connection lost")
        return JobState.UNKNOWN if asked < 7 else JobState.SUCCEEDED

    poller = Poller(Scripted(answer), interval=TICK, unknown_after=TICK * 12)  # the outage alone takes longer
    assert (await poller.wait("oc-a")).state is JobState.SUCCEEDED


async def test_a_broken_cluster_fails_every_waiter_instead_of_hanging():
    def answer(_asked: int, _token: str) -> JobState:
        raise ZeroDivisionError

    poller = Poller(Scripted(answer), interval=TICK)
    ends = await asyncio.gather(poller.wait("oc-a"), poller.wait("oc-b"), return_exceptions=True)
    assert [type(end) for end in ends] == [ZeroDivisionError] * 2


async def test_a_callback_that_fails_fails_its_own_waiter_only():
    def full_disk(_status: JobStatus) -> None:
        raise OSError("disk full")

    poller = Poller(Scripted(after(3)), interval=TICK)
    ends = await asyncio.gather(poller.wait("oc-a", full_disk), poller.wait("oc-b"), return_exceptions=True)
    assert isinstance(ends[0], OSError)
    assert ends[1].state is JobState.SUCCEEDED


async def test_a_gate_lets_one_ask_for_its_group_in_order():
    poller = Poller(Scripted(after(1)), interval=TICK)
    order = []

    async def enter(number: int) -> None:
        async with poller.gate("run"):
            order.append(number)
            await asyncio.sleep(0)

    await asyncio.gather(*(enter(number) for number in range(5)))
    assert order == list(range(5))
    assert poller.gate("run") is not poller.gate("other")


def test_a_loop_has_one_poller_per_cluster_and_takes_it_along(tmp_path):
    config = ClusterConfig.from_values("a", {"state_dir": str(tmp_path)})
    other = ClusterConfig.from_values("b", {"state_dir": str(tmp_path)})

    async def ask() -> tuple[Poller, Poller, Poller]:
        return poller_for(config), poller_for(ClusterConfig.from_values("a", config.to_values())), poller_for(other)

    others = set(map(id, module._pollers))  # loops of other tests, which something may still hold
    one, same, another = asyncio.run(ask())
    assert one is same
    assert one is not another
    assert asyncio.run(ask())[0] is not one
    del one, same, another
    gc.collect()
    assert set(map(id, module._pollers)) <= others


async def test_an_unknown_kind_is_refused_before_anything_waits():
    with pytest.raises(ValueError, match="unknown kind"):
        poller_for(ClusterConfig.from_values("x", {"kind": "nowhere"}))
