"""Whole runs with a judge: what it did not answer is asked again by the next run, and nothing else is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from judge_server import judge_server
from opencompass_ops.contract import layout, variables
from opencompass_ops.contract.files import LocalFiles
from opencompass_ops.errors import PlanError
from small_world import SmallWorld, make_world

pytestmark = pytest.mark.process

JUDGED = """dict(
        type='GenericLLMEvaluator', judge_cfg=dict(),
        prompt_template=dict(type='PromptTemplate', template=dict(
            round=[dict(role='HUMAN', prompt='{question} {prediction}')])),
        dict_postprocessor=dict(type='generic_llmjudge_postprocess'))"""


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SmallWorld]:
    yield from make_world(tmp_path, monkeypatch)


def test_the_next_run_asks_only_what_the_judge_left_open(world: SmallWorld, monkeypatch: pytest.MonkeyPatch):
    world.rows(4)
    world.cluster(more=f"env = dict({variables.VERDICTS}={str(world.folder / 'verdicts')!r})\n")
    config = world.config(None, ("dict(type='AccEvaluator')", JUDGED))
    broken = {"2+1= 3"}
    with judge_server(
        lambda shown, number: 503 if shown in broken else "B" if shown.startswith("0") else "A"
    ) as server:
        monkeypatch.setenv("OC_JUDGE_MODEL", "wise")
        monkeypatch.setenv("OC_JUDGE_API_BASE", server.address)
        monkeypatch.setenv("OC_JUDGE_API_KEY", "sk-canary-judge")
        first, report = world.evaluate(config)
        assert not report.failures
        result = json.loads(LocalFiles(first.run_dir).read(layout.result("tiny", "sums")))
        assert result["accuracy"] == pytest.approx(200 / 3)
        assert result["coverage"] == 75.0
        assert "503" in result["unjudged"]["sums_test_2"]
        judged = json.loads(LocalFiles(first.run_dir).read(layout.judged("tiny", "sums", "", 0)))
        assert sorted(judged) == ["0", "1", "3"]
        assert judged["0"]["prediction"] == "B"

        broken.clear()
        asked = sum(server.asked.values())
        second, _ = world.evaluate(config)
        assert (len(second.plan.shards), len(second.plan.evaluations)) == (0, 1)
        assert sum(server.asked.values()) == asked + 1
        assert json.loads(LocalFiles(second.run_dir).read(layout.result("tiny", "sums")))["accuracy"] == 75.0

        third, _ = world.evaluate(config)
        assert len(third.plan.evaluations) == 0
        monkeypatch.setenv("OC_JUDGE_MODEL", "wiser")
        other, _ = world.evaluate(config)
        assert len(other.plan.evaluations) == 1  # another judge, another score
        assert server.keys == {"Bearer sk-canary-judge"}
    assert not [path for path in world.folder.rglob("*") if path.is_file() and b"sk-canary" in path.read_bytes()]


def test_a_run_that_wants_a_judge_whom_nobody_names_is_refused_before_it_begins(
    world: SmallWorld, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("OC_JUDGE_MODEL", raising=False)
    config = world.config(None, ("dict(type='AccEvaluator')", JUDGED))
    with pytest.raises(PlanError, match=r"sums: it wants a judge, and OC_JUDGE_MODEL is not set .*'local'"):
        world.prepare(config)
    assert world.runs() == []
    assert world.prepare(config, mode="infer").plan.shards
    world.cluster("judges", more="env = dict(OC_JUDGE_MODEL='wise')\n")
    assert world.prepare(config, eval_cluster="judges").plan.evaluations
