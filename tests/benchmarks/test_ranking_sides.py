"""The benchmark of rankings: two sides as processes, asked in turns."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from benchmarks.ranking import LM_EVAL, OURS_SUM, Side, Task, line, pairs

SIDE = """
from benchmarks.rankers.protocol import serve
serve(lambda questions, before, batch: [{answer} for _ in questions], {{"side": "1"}})
"""
TASK = Task("four-choice", "", ["one", "two", "three", "four"])


@pytest.fixture
def sides() -> Iterator[list[Side]]:
    answers = {OURS_SUM: "0", LM_EVAL: "len(questions) and 1 - (batch == 8)"}
    made = [Side(name, [sys.executable, "-c", SIDE.format(answer=answer)]) for name, answer in answers.items()]
    yield made
    for side in made:
        side.close()


@pytest.mark.process
def test_sides_are_compared_by_the_medians_of_their_runs_and_by_what_they_chose(sides: list[Side]) -> None:
    ours, peer = sides
    peer.batch = 8
    for side in sides:
        side.runs.append(side.ask(TASK, 4, side.batch))
    ours.runs[0]["wall"], peer.runs[0]["wall"] = 2.0, 3.0
    assert pairs(sides) == [(ours, peer)]
    said = line(TASK, ours, peer)
    assert (said["ratio"], said["equal"], said["unit"]) == (1.5, 1.0, "s")
    assert said["versions"] == {"ours": {"side": "1"}, "peer": {"side": "1"}}
    peer.runs[0] = peer.ask(TASK, 4, 32)
    assert line(TASK, ours, peer)["equal"] == 0.0


@pytest.mark.process
def test_a_side_that_ends_is_named() -> None:
    with pytest.raises(RuntimeError, match="peer ended with 3"):
        Side("peer", [sys.executable, "-c", "raise SystemExit(3)"])
