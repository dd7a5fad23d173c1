"""The shipped evaluations on the data sets they are written for, from the config to the summary."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from demo.model import make_model, make_tokenizer
from opencompass_ops.contract import layout
from opencompass_ops.contract.files import LocalFiles
from opencompass_ops.prepare import prepare
from opencompass_ops.results.store import Store
from opencompass_ops.runner import run_plan
from opencompass_ops.summarize import summarize

pytestmark = pytest.mark.model

ROWS = 3
CLUSTER = "kind = 'local'\nwork_dir = {work_dir!r}\ndata_dir = {data_dir!r}\nstate_dir = {state_dir!r}\n"


@pytest.fixture
def world(tmp_path: Path, shared_data: Path, repo: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with the shipped configs, OpenCompass's ``data`` and an untrained checkpoint."""
    (tmp_path / "data").symlink_to(shared_data / "opencompass")
    shutil.copytree(repo / "include" / "configs", tmp_path / "configs")
    places = {"work_dir": tmp_path / "outputs", "data_dir": tmp_path, "state_dir": tmp_path / "state"}
    text = CLUSTER.format(**{name: str(place) for name, place in places.items()})
    (tmp_path / "configs" / "clusters" / "local.py").write_text(text)
    tokenizer = make_tokenizer(["a quick brown fox counts to 12"])
    tokenizer.save_pretrained(tmp_path / "step-000000")
    make_model(tokenizer, seed=1).save_pretrained(tmp_path / "step-000000")
    for name, place in {"OPENCOMPASS_OPS_CONFIG_DIR": "configs", "XDG_CACHE_HOME": "cache"}.items():
        monkeypatch.setenv(name, str(tmp_path / place))
    return tmp_path


@pytest.mark.parametrize(
    ("config", "modes"),
    [
        (
            "eval_bbh",
            {
                "bbh-boolean_expressions": "GEN",
                "bbh-object_counting": "GEN",
                "bbh-logical_deduction_three_objects": "PPL",
            },
        ),
        ("eval_gsm8k", {"gsm8k": "GEN"}),
    ],
)
def test_a_shipped_evaluation_asks_and_scores_real_rows(world: Path, config: str, modes: dict[str, str]):
    url = f"sqlite:///{world}/results.db"
    params = {"config": config, "limit": ROWS, "model_overrides": [{"path": "step-000000"}]}
    prepared = prepare(params, database_url=url, say=lambda line: None)
    assert asyncio.run(run_plan(prepared.run_dir, say=lambda line: None)) == {}
    done = summarize(prepared.run_dir, database_url=url)
    assert done.failures == ()
    assert {score["dataset"]: (score["metric"], score["n"]) for score in done.scores} == dict.fromkeys(
        modes, ("accuracy", ROWS)
    )
    assert_learned(params, url, modes)
    files = LocalFiles(prepared.run_dir)
    for dataset, mode in modes.items():
        answers = json.loads(files.read(layout.prediction("step-000000", dataset)))
        details = json.loads(files.read(layout.result("step-000000", dataset)))["details"]
        assert list(answers) == [str(row) for row in range(ROWS)]
        assert (details["type"], len(details)) == (mode, ROWS + 1)
        if mode == "PPL":
            assert {answer["prediction"] for answer in answers.values()} <= {"A", "B", "C"}
        else:
            assert all(answer["origin_prompt"] and answer["gold"] for answer in answers.values())


def assert_learned(params: dict[str, Any], url: str, datasets: Iterable[str]) -> None:
    """What the run took is in the database, and is what the next plan of other rows reckons with."""
    with Store.open(url) as store:
        timings = {row.dataset: row for row in store.timings()}
    assert set(timings) == {"", *datasets}
    assert {(row.engine, row.place, row.device) for row in timings.values()} == {("native", "local//", "cpu")}
    assert all(row.seconds > 0 and row.weights_bytes > 0 for row in timings.values())
    again = prepare(params | {"limit": ROWS + 1, "dry_run": True}, database_url=url, say=lambda line: None)
    (shard,) = again.plan.shards
    assert timings[""].seconds / 4 < shard.seconds < 4 * sum(row.seconds for row in timings.values()) + 10
