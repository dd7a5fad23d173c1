"""Whose turn it is: limits hold, order holds, and nobody is forgotten."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opencompass_ops.errors import ConfigError
from opencompass_ops.series.pattern import Pattern
from opencompass_ops.series.selection import A_DAY_S, Candidate, Limits, Spent, outside, select

NOW = 1_800_000_000.0

candidates = st.lists(
    st.builds(
        lambda step, weights: Candidate(f"step-{step}", step, f"sha256:{weights}"),
        st.integers(0, 50),
        st.integers(0, 20),
    ),
    unique_by=lambda one: one.name,
)
limits = st.builds(
    Limits,
    newest_first=st.booleans(),
    per_day=st.none() | st.integers(1, 5),
    at_once=st.none() | st.integers(1, 5),
    gpu_hours=st.none() | st.floats(0, 10),
)
spent = st.builds(
    Spent,
    begun=st.lists(st.floats(NOW - 3 * A_DAY_S, NOW), max_size=8).map(tuple),
    alive=st.integers(0, 6),
    gpu_hours=st.floats(0, 20),
)


@given(candidates, limits, spent, st.integers(0, 30))
def test_limits_hold_and_everybody_is_chosen_or_told_why_not(found, bound, taken, most):
    chosen, waiting = select(found, bound, taken, NOW, most)
    assert {one.name for one in chosen} | set(waiting) == {one.name for one in found}
    assert not {one.name for one in chosen} & set(waiting)
    assert len(chosen) <= most
    assert len({one.digest for one in chosen}) == len(chosen), "the same weights begin once"
    steps = [one.step for one in chosen]
    assert steps == sorted(steps, reverse=bound.newest_first)
    today = sum(1 for begun in taken.begun if NOW - begun < A_DAY_S)
    if chosen and bound.per_day is not None:
        assert len(chosen) + today <= bound.per_day
    if chosen and bound.at_once is not None:
        assert len(chosen) + taken.alive <= bound.at_once
    if chosen and bound.gpu_hours is not None:
        assert taken.gpu_hours < bound.gpu_hours


@given(candidates, limits, spent, st.integers(0, 30))
def test_who_waits_would_not_have_come_before_who_is_chosen(found, bound, taken, most):
    chosen, waiting = select(found, bound, taken, NOW, most)
    late = [one.step for one in found if waiting.get(one.name, "").startswith("waits")]
    for one in chosen:
        assert all(one.step >= step if bound.newest_first else one.step <= step for step in late)


@given(candidates, limits, spent, st.randoms())
def test_the_order_of_a_listing_changes_nothing(found, bound, taken, random):
    shuffled = list(found)
    random.shuffle(shuffled)
    assert select(shuffled, bound, taken, NOW, 9) == select(found, bound, taken, NOW, 9)


def test_a_reason_names_the_limit():
    found = [Candidate(f"step-{step}", step, str(step)) for step in (1, 2, 3)]
    _, waiting = select(found, Limits(per_day=2), Spent(begun=(NOW - 60,)), NOW, 100)
    assert waiting == dict.fromkeys(("step-2", "step-3"), "waits: 1 of 2 evaluations of the last 24 h are begun")
    _, waiting = select(found, Limits(gpu_hours=5), Spent(gpu_hours=5.04), NOW, 100)
    assert waiting["step-1"] == "waits: 5.0 of 5 GPU-hours are spent"
    _, waiting = select(found, Limits(), Spent(dry="2 GPU-hours of everyone: 2.0 are used"), NOW, 100)
    assert waiting["step-1"] == "waits: 2 GPU-hours of everyone: 2.0 are used"


@given(st.integers(0, 1000), st.integers(1, 50), st.integers(0, 1000), st.integers(0, 1000))
def test_a_step_is_meant_when_every_limit_says_so(step, every, after, before):
    meant = step % every == 0 and after < step < before
    assert (outside(step, None, Limits(every=every, after_step=after, before_step=before)) == "") == meant


def test_only_what_was_completed_in_a_span_of_time():
    first, last = datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC)
    bound = Limits(after=first, before=last)
    assert outside(1, datetime(2026, 11, 2, tzinfo=UTC), bound) == ""
    assert outside(1, first, bound) == "completed 2026-11-01 00:00, not after 2026-11-01 00:00"
    assert outside(1, last, bound).endswith("not before 2026-12-01 00:00")
    assert outside(1, None, bound) == "", "it is not known yet"


@pytest.mark.parametrize(
    ("pattern", "name", "step"),
    [
        ("step-{step}", "step-000100", 100),
        ("step-{step}", "step-100x", None),
        ("step-{step}", "a/step-100", None),
        ("iter_{step}/hf", "iter_0002000/hf", 2000),
        ("stage1-step{step}-tokens*", "stage1-step1000-tokens4B", 1000),
        ("step.{step}", "step-100", None),
        ("step-{step}", "step-latest", None),
    ],
)
def test_a_pattern_tells_the_step(pattern: str, name: str, step: int | None):
    assert Pattern(pattern).step(name) == step


@pytest.mark.parametrize("wrong", ["step", "{step}-{step}", "../step-{step}", "/step-{step}", "a//{step}"])
def test_a_pattern_without_a_step_or_out_of_its_place_is_refused(wrong: str):
    with pytest.raises(ConfigError, match="must"):
        Pattern(wrong)


@given(st.integers(0, 10**9), st.sampled_from(["step-{step}", "iter_{step}/hf", "a+b({step})", "*_{step}_*"]))
def test_what_a_pattern_makes_it_reads(step: int, pattern: str):
    assert Pattern(pattern).step(pattern.replace("{step}", str(step)).replace("*", "x")) == step


@pytest.mark.parametrize(
    ("used", "each", "alive", "begin"),
    [
        (0.0, None, 0, 1),  # what one takes is not known
        (0.5, None, 1, 0),
        (2.0, 2.0, 0, 4),
        (2.0, 2.0, 3, 1),
        (2.0, 2.0, 5, 0),
        (9.9, 2.0, 0, 1),  # the last one may need a little more
        (9.9, 2.0, 1, 0),
        (10.0, 2.0, 0, 0),
        (1.0, 0.0, 5, 9),
    ],
)
def test_no_more_begin_than_gpu_hours_are_left_for(used: float, each: float | None, alive: int, begin: int):
    waiting = [Candidate(f"step-{step}", step, str(step)) for step in range(9)]
    spent = Spent(alive=alive, gpu_hours=used, each=each)
    chosen, why = select(waiting, Limits(gpu_hours=10.0), spent, 0.0, 200)
    assert len(chosen) == begin
    assert all(f"{used:.1f} of 10 GPU-hours are spent" in reason for reason in why.values())
