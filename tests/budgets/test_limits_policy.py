"""Who has to stop when time or GPU-hours are used up: the newest first, and no more than needed."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opencompass_ops.budgets.hours import by_day, seconds, shown
from opencompass_ops.budgets.policy import Clock, Use, may_begin, newest_first

TICK = 30.0

uses = st.lists(
    st.builds(
        Use,
        name=st.uuids().map(str),
        began=st.floats(0, 1e6),
        seconds=st.floats(0, 1e5),
        gpus=st.integers(0, 8),
        expected=st.floats(0, 1e5),
    ),
    max_size=12,
    unique_by=lambda use: use.name,
)


@given(uses, st.floats(-1e6, 1e6))
def test_the_newest_stop_first_and_the_rest_fits_or_is_the_oldest_alone(given_uses, left):
    stopped = newest_first(given_uses, left, TICK)
    order = sorted((use for use in given_uses if use.gpus), key=lambda use: (use.began, use.name))
    kept = [use for use in order if use.name not in stopped]
    assert [use.name for use in reversed(order[len(kept) :])] == list(stopped)
    assert kept == order[: len(kept)]
    if left <= 0:
        assert not kept
    elif len(kept) > 1:
        assert sum(use.need(TICK) for use in kept) <= left
    if stopped and left > 0:
        assert sum(use.need(TICK) for use in order[: len(kept) + 1]) > left, "one less would have been enough"


@given(uses, st.floats(-1e6, 1e6))
def test_what_was_let_begin_is_not_stopped_at_once(given_uses, left):
    *running, new = [*given_uses, Use("new", 2e6, 0.0, 1, 100.0)]
    if left > 0 and not newest_first(running, left, TICK) and may_begin(new, running, left, TICK):
        assert newest_first([*running, new], left, TICK) == ()


def test_without_gpus_nothing_counts():
    idle = Use("cpu", 0.0, 5.0, 0)
    assert newest_first([idle], -1.0, TICK) == ()
    assert may_begin(idle, [], -1.0, TICK)


@pytest.mark.parametrize(
    ("clock", "ran", "since_launch", "met"),
    [
        (Clock(100.0, 1000.0), 99.0, 500.0, ""),
        (Clock(100.0, 1000.0), 100.0, 500.0, "shard"),
        (Clock(None, 1000.0), 1e9, 1000.0, "run"),
        (Clock(None, None), 1e9, 1e9, ""),
    ],
)
def test_the_clock_stops_a_shard_and_a_run(clock, ran, since_launch, met):
    assert clock.over(Use("a", 0.0, ran, 0), launched=50.0, now=50.0 + since_launch) == met


@given(st.floats(0, 2e9), st.floats(0, 1e6))
def test_days_share_the_time_between_two_moments(start, lasted):
    found = by_day(start, start + lasted)
    assert sum(found.values()) == pytest.approx(start + lasted - start, abs=1e-3)
    assert all(0 < value <= 86_400 for value in found.values())
    assert list(found) == sorted(found)


def test_midnight_of_utc_ends_a_day():
    start = datetime(2026, 1, 31, 23, 0, tzinfo=UTC).timestamp()
    assert by_day(start, start + 3 * 3600) == {"2026-01-31": 3600.0, "2026-02-01": 7200.0}


def test_hours_are_a_number_or_off():
    assert (seconds("1.5"), seconds("off"), seconds(None), shown(5400)) == (5400.0, None, None, "1.5 h")
