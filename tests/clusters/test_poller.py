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
from opencompass_ops.clusters.poller import Poller, cluster_for, poller_for
from opencompass_ops.contract.records import Heartbeat
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
    poller = Poller(cluster, interval=TICK, first=TICK)
    ends = await asyncio.gather(*(poller.wait(f"oc-{number}") for number in range(500)))
    assert {end.state for end in ends} == {JobState.SUCCEEDED}
    assert len(cluster.asked) == 4
    assert all(len(tokens) == 500 for tokens in cluster.asked)
    assert await no_poll_tasks()


async def test_two_waiters_for_one_token_are_asked_for_once_and_both_told():
    cluster = Scripted(after(2))
    poller = Poller(cluster, interval=TICK, first=TICK)
    await asyncio.gather(poller.wait("oc-a"), poller.wait("oc-a"))
    assert cluster.asked == [["oc-a"], ["oc-a"]]


async def test_each_new_state_is_told_once():
    states = [JobState.QUEUED, JobState.QUEUED, JobState.RUNNING, JobState.RUNNING, JobState.FAILED]
    poller = Poller(Scripted(lambda asked, _token: states[asked - 1]), interval=TICK, first=TICK)
    seen = []
    await poller.wait("oc-a", lambda status: seen.append(status.state))
    assert seen == [JobState.QUEUED, JobState.RUNNING, JobState.FAILED]


async def test_progress_and_log_are_told_though_the_state_stays():
    beats = [Heartbeat("running", done, 9, "") for done in (1, 1, 2)]
    answers = [
        JobStatus(JobState.RUNNING, progress=beats[0]),
        JobStatus(JobState.RUNNING, progress=beats[1]),
        JobStatus(JobState.RUNNING, progress=beats[2]),
        JobStatus(JobState.RUNNING, progress=beats[2], log="a line\n"),
        JobStatus(JobState.RUNNING, progress=beats[2]),
        JobStatus(JobState.SUCCEEDED, progress=beats[2]),
    ]

    class Talking(Scripted):
        async def poll(self, tokens: Sequence[str]) -> Mapping[str, JobStatus]:
            self.asked.append(list(tokens))
            return dict.fromkeys(tokens, answers[len(self.asked) - 1])

    seen = []
    await Poller(Talking(after(1)), interval=TICK, first=TICK).wait("oc-a", seen.append)
    assert seen == [answers[0], answers[2], answers[3], answers[5]]


async def test_whatever_else_runs_in_the_loop_has_its_turn_between_two_waiters():
    turns, seen = 0, []

    async def run_beside() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    beside = asyncio.create_task(run_beside())
    poller = Poller(Scripted(after(1)), interval=TICK, first=TICK)
    await asyncio.gather(*(poller.wait(f"oc-{number}", lambda _: seen.append(turns)) for number in range(20)))
    beside.cancel()
    assert len(set(seen)) == 20


async def test_newcomers_cost_no_more_than_one_query_per_first_interval():
    cluster = Scripted(after(10**9))
    poller = Poller(cluster, interval=60.0, first=0.2)
    loop = asyncio.get_running_loop()
    began = loop.time()
    waiters = []
    while loop.time() - began < 0.7:
        waiters.append(asyncio.create_task(poller.wait(f"oc-{len(waiters)}")))
        await asyncio.sleep(TICK)
    queries = len(cluster.asked)
    assert 2 <= queries <= 1 + (loop.time() - began) / 0.2
    for waiter in waiters:
        waiter.cancel()


async def test_jobs_that_end_at_once_one_after_the_other_keep_the_distance_too():
    cluster = Scripted(after(1))
    poller = Poller(cluster, interval=60.0, first=0.1)
    loop = asyncio.get_running_loop()
    began = loop.time()
    for number in range(4):
        await poller.wait(f"oc-{number}")
    assert loop.time() - began >= 0.3
    assert len(cluster.asked) == 4


async def test_the_interval_grows_while_nothing_changes_and_starts_anew_with_a_change(monkeypatch):
    pauses = []

    async def sleep(_poller, seconds):
        pauses.append(seconds)
        await asyncio.sleep(0)
        return False

    states = [JobState.QUEUED] * 9 + [JobState.RUNNING] * 2 + [JobState.SUCCEEDED]
    monkeypatch.setattr(Poller, "_sleep", sleep)
    monkeypatch.setattr(module.random, "uniform", lambda _low, _high: 1.0)
    await Poller(Scripted(lambda asked, _: states[asked - 1]), interval=60.0, first=5.0).wait("oc-a")
    assert pauses[0] == 5.0
    assert pauses[:9] == sorted(pauses[:9])
    assert pauses[8] == 60.0
    assert pauses[9] == 5.0


async def test_the_task_ends_with_its_last_waiter_and_starts_again_with_the_next():
    cluster = Scripted(after(10**9))
    poller = Poller(cluster, interval=TICK, first=TICK)
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
    poller = Poller(cluster, interval=60.0, first=0.1)
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
    poller = Poller(Scripted(answer), interval=TICK, first=TICK)
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
    await Poller(Scripted(answer), interval=10.0, first=0.5).wait("oc-a")
    assert pauses[:7] == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0]


async def test_unknown_for_too_long_is_lost_and_the_reason_says_so():
    poller = Poller(Scripted(lambda *_: JobState.UNKNOWN), interval=TICK, first=TICK, unknown_after=TICK * 5)
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

    poller = Poller(Scripted(answer), interval=TICK, first=TICK, unknown_after=TICK * 10)
    assert (await poller.wait("oc-a")).state is JobState.SUCCEEDED


async def test_time_without_an_answer_does_not_count_as_absence():
    def answer(asked: int, _token: str) -> JobState:
        if asked in (2, 3, 4, 5):
            raise UnsureError("connection lost")
        return JobState.UNKNOWN if asked < 7 else JobState.SUCCEEDED

    poller = Poller(
        Scripted(answer), interval=TICK, first=TICK, unknown_after=TICK * 12
    )  # the outage alone takes longer
    assert (await poller.wait("oc-a")).state is JobState.SUCCEEDED


async def test_a_broken_cluster_fails_every_waiter_instead_of_hanging():
    def answer(_asked: int, _token: str) -> JobState:
        raise ZeroDivisionError

    poller = Poller(Scripted(answer), interval=TICK, first=TICK)
    ends = await asyncio.gather(poller.wait("oc-a"), poller.wait("oc-b"), return_exceptions=True)
    assert [type(end) for end in ends] == [ZeroDivisionError] * 2


async def test_a_callback_that_fails_fails_its_own_waiter_only():
    def full_disk(_status: JobStatus) -> None:
        raise OSError("disk full")

    poller = Poller(Scripted(after(3)), interval=TICK, first=TICK)
    ends = await asyncio.gather(poller.wait("oc-a", full_disk), poller.wait("oc-b"), return_exceptions=True)
    assert isinstance(ends[0], OSError)
    assert ends[1].state is JobState.SUCCEEDED


async def test_a_gate_lets_one_ask_for_its_group_in_order():
    poller = Poller(Scripted(after(1)), interval=TICK, first=TICK)
    order = []

    async def enter(number: int) -> None:
        async with poller.gate("run"):
            order.append(number)
            await asyncio.sleep(0)

    await asyncio.gather(*(enter(number) for number in range(5)))
    assert order == list(range(5))
    assert poller.gate("run") is not poller.gate("other")


def test_a_loop_has_one_poller_per_account_one_cluster_per_config_and_takes_them_along(tmp_path):
    config = ClusterConfig.from_values("a", {"state_dir": str(tmp_path)})
    other = ClusterConfig.from_values("b", {"state_dir": str(tmp_path), "max_workers_per_gpu": 2})
    elsewhere = ClusterConfig.from_values("a", {"state_dir": str(tmp_path / "x")})

    async def ask() -> list[Poller]:
        again = ClusterConfig.from_values("a", config.to_values())
        assert cluster_for(config) is cluster_for(again)
        assert cluster_for(config) is not cluster_for(other)
        return [poller_for(config), poller_for(again), poller_for(other), poller_for(elsewhere)]

    others = set(map(id, module._pollers))  # loops of other tests, which something may still hold
    one, same, shared, another = asyncio.run(ask())
    assert one is same is shared
    assert one is not another
    assert asyncio.run(ask())[0] is not one
    del one, same, shared, another
    gc.collect()
    assert set(map(id, module._pollers)) <= others
    assert set(map(id, module._clusters)) <= others


async def test_an_unknown_kind_is_refused_before_anything_waits():
    with pytest.raises(ValueError, match="unknown kind"):
        poller_for(ClusterConfig.from_values("x", {"kind": "nowhere"}))
